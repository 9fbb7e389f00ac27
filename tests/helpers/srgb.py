"""The curve of sRGB, value by value."""


def srgb_to_linear(value: float) -> float:
    """IEC 61966-2-1: from a byte of sRGB to light."""
    part = value / 255
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def linear_to_byte(light: float) -> float:
    part = min(max(light, 0.0), 1.0)
    return 255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055)
