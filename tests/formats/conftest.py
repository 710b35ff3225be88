import pytest
from some_nuclei import HEIGHT, MPP, WIDTH, make_nuclei, read_plain

from karyoscope.core.nuclei import Nuclei
from karyoscope.formats import ExportContext
from karyoscope.report import slide_page


@pytest.fixture
def nuclei() -> Nuclei:
    return make_nuclei(300)


@pytest.fixture
def context(nuclei: Nuclei) -> ExportContext:
    return ExportContext(
        slide="slide é.svs",
        size=(WIDTH, HEIGHT),
        mpp=MPP,
        taxonomy=nuclei.taxonomy,
        model="lizard",
        model_version="1.0",
        model_licence="CC-BY-NC-SA-4.0",
        read=read_plain,
        page=slide_page,
    )
