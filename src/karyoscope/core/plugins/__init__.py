"""Code from outside the package: files that the user names, and packages that are installed.

A part of a plugin file is called ``my_file.py:Name``. A file is run only by :func:`use_plugin`,
that is where its user names it: on the command line, in a recipe, or by this function. What a model
bundle or a folder of data says is looked up among the files that were named, and is never a reason
to run one. Packages offer their parts as entry points; to install one is to name it.
"""

from karyoscope.core.plugins.faults import PluginError, blamed, fault
from karyoscope.core.plugins.files import (
    PluginFile,
    classes_in_files,
    file_of,
    named,
    part_of_file,
    use_plugin,
    used_files,
)
from karyoscope.core.plugins.names import label, name_and_argument, short_name, split_name
from karyoscope.core.plugins.packages import entry_points, package_of, part_of_package

__all__ = [
    "PluginError",
    "PluginFile",
    "blamed",
    "classes_in_files",
    "entry_points",
    "fault",
    "file_of",
    "label",
    "name_and_argument",
    "named",
    "package_of",
    "part_of_file",
    "part_of_package",
    "short_name",
    "split_name",
    "use_plugin",
    "used_files",
]
