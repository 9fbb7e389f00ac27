"""Objects of a video from what the heads of a frozen ViT attend to: prototypes, their maps in every frame, tracks."""
