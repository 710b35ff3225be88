/*
 * Segments the open image, or the selected annotations, with karyoscope, and imports the nuclei as
 * detections with their classes and measurements.
 *
 * Install: put this file into the folder "scripts" of QuPath's user directory (it is then in the
 * menu Automate > Shared scripts) or of a project (Automate > Project scripts). It needs the
 * program karyoscope: https://github.com/karyoscope/karyoscope
 *
 * Run: with area annotations selected, nuclei are found in them; with none, in the whole image.
 * Detections that were there before are replaced. The files that karyoscope writes are kept in the
 * folder "karyoscope" of the project or, without a project, beside the image.
 */

import qupath.lib.io.PathIO

import static qupath.lib.scripting.QP.*

// Settings. If QuPath does not find the program, give its whole path:
// "/home/me/venv/bin/karyoscope", or on Windows "C:\\venv\\Scripts\\karyoscope.exe".
String program = System.getenv('KARYOSCOPE') ?: 'karyoscope'
String model = 'lizard'          // a shipped model, or the path of a bundle
String device = 'auto'           // auto, cpu, cuda or mps
int views = 1                    // test-time augmentation: 1, 2, 4, 8 or 16
String features = 'shape'        // of shape,stain,neighbours; '' for none
List<String> others = []         // further options, such as ['--stain', 'macenko:target.png']

def server = getCurrentServer()
if (server == null)
    throw new IllegalStateException('Open an image first.')
def files = server.getURIs().collect { it.getScheme() == 'file' ? new File(it) : null }
if (files.size() != 1 || files[0] == null)
    throw new IllegalStateException('karyoscope needs an image that is one file on this machine.')
// QuPath shows it otherwise than it lies in the file, so that places would differ.
for (def kind = server.getClass(); kind != null; kind = kind.getSuperclass())
    if (kind.getSimpleName() == 'TransformingImageServer')
        throw new IllegalStateException('karyoscope reads the file: open it without rotation, crop or transform.')
File image = files[0]

def annotations = getSelectedObjects().findAll { it.isAnnotation() && it.getROI().isArea() }
File parent = getProject() == null ? image.getParentFile() : getProject().getPath().getParent().toFile()
String part = annotations.isEmpty() ? '' : '-selection'
String name = server.getMetadata().getName().replaceAll(/[^\p{L}\p{N}._-]+/, '_')
File out = new File(new File(parent, 'karyoscope'), name + part)
out.mkdirs()
if (!out.isDirectory())
    throw new IOException('The folder ' + out + ' cannot be made.')

def command = [program, 'segment', image.getPath(), '--out', out.getPath(),
               '--format', 'geojson,parquet,csv', '--model', model, '--device', device,
               '--tta', views as String, '--features', features]
// Used only if the file itself states no pixel size.
def calibration = server.getPixelCalibration()
if (calibration.hasPixelSizeMicrons())
    command += ['--mpp', calibration.getAveragedPixelSizeMicrons() as String]
if (!annotations.isEmpty()) {
    File region = new File(out, 'selected.json')
    exportObjectsToGeoJson(annotations, region.getPath(), 'FEATURE_COLLECTION')
    // A selection of the same name is a new one each time; a whole image is resumed.
    command += ['--roi', region.getPath(), '--overwrite']
}
command += others

println command.join(' ')
String last = ''
def process = new ProcessBuilder(command).redirectErrorStream(true).start()
try {
    process.getOutputStream().close()
    process.getInputStream().eachLine('UTF-8') { line ->
        if (!line.trim().isEmpty())
            last = line
        println line
    }
    if (process.waitFor() != 0)
        throw new RuntimeException('karyoscope stopped: ' + last)
} finally {
    process.destroy()
}

def written = out.listFiles().findAll { it.getName().endsWith('.geojson') }
if (written.size() != 1)
    throw new IllegalStateException('Expected one .geojson file in ' + out + ', found ' + written.size())
def nuclei = PathIO.readObjects(written[0])

def areas = annotations.collect { it.getROI() }
def replaced = getDetectionObjects().findAll { detection ->
    def roi = detection.getROI()
    areas.isEmpty() || areas.any { it.contains(roi.getCentroidX(), roi.getCentroidY()) }
}
def hierarchy = getCurrentHierarchy()
hierarchy.removeObjects(replaced, true)
hierarchy.addObjects(nuclei)
println 'karyoscope: ' + nuclei.size() + ' nuclei imported, ' + replaced.size() + ' detections replaced'
