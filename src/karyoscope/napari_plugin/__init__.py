"""karyoscope in napari: a reader of its files, a widget that segments, layers linked by id.

napari finds the plugin by the manifest ``napari.yaml``; ``pip install 'karyoscope[napari]'``
installs both. No module here imports napari before a widget is opened, so that layers can be
made, and tested, without it.
"""
