"""Networks: backbones, ViT facets, classical features, the head."""
