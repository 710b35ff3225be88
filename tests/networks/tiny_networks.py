"""Options that make each registered network small enough to test on one core."""

from typing import Any

TINY: dict[str, dict[str, Any]] = {
    "shared_unet": {"encoder": "test_efficientnet", "channels": [16, 12, 8, 8]},
    "hovernet": {"width": 0.125},
    "two_decoder_unet": {"encoder": "test_efficientnet", "channels": [16, 12, 8, 8, 8]},
    "resunet34": {"encoder": "test_resnet", "channels": [16, 12, 8, 8]},
    "unet": {"channels": [4, 6, 8, 12]},
    "fcn8s": {"encoder": "test_efficientnet", "hidden": 16},
    "dist": {"channels": [4, 6, 8, 12]},
    "micronet": {"width": 4},
}
