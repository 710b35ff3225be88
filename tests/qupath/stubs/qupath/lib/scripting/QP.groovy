package qupath.lib.scripting

import groovy.json.JsonOutput

/** Stands in for the parts of QuPath's class that the script calls; the image comes from the environment. */
class QP {
    static final Hierarchy hierarchy = new Hierarchy()

    static getCurrentServer() {
        def image = new File(System.getenv('TEST_IMAGE'))
        System.getenv('TEST_ROTATED') ? new RotatedImageServer(image: image) : new Server(image: image)
    }

    static Collection getSelectedObjects() {
        def box = System.getenv('TEST_BOX')
        box ? [new Annotation(box: box.split(',')*.toDouble())] : []
    }

    static getProject() { null }

    static getCurrentHierarchy() { hierarchy }

    static Collection getDetectionObjects() { hierarchy.objects }

    static void exportObjectsToGeoJson(Collection objects, String path, String option) {
        assert option == 'FEATURE_COLLECTION'
        def features = objects.collect { annotation ->
            def (x, y, width, height) = annotation.box
            def ring = [[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]]
            [type: 'Feature', id: UUID.randomUUID().toString(),
             geometry: [type: 'Polygon', coordinates: [ring]], properties: [objectType: 'annotation']]
        }
        new File(path).text = JsonOutput.toJson([type: 'FeatureCollection', features: features])
    }
}

class Server {
    File image

    Collection<URI> getURIs() { [image.toURI()] }

    def getMetadata() { [getName: { image.name }] as Expando }

    def getPixelCalibration() { new Calibration() }
}

class TransformingImageServer extends Server {}

class RotatedImageServer extends TransformingImageServer {}

class Calibration {
    boolean hasPixelSizeMicrons() { true }

    double getAveragedPixelSizeMicrons() { 0.499 }
}

class Area {
    List<Double> box

    boolean isArea() { true }

    boolean contains(double x, double y) {
        x >= box[0] && y >= box[1] && x < box[0] + box[2] && y < box[1] + box[3]
    }
}

class Annotation {
    List<Double> box

    boolean isAnnotation() { true }

    def getROI() { new Area(box: box) }
}

class Hierarchy {
    /** Two detections of an earlier run: one in the box of the test, one far from it. */
    List objects = [new Centre(x: 1000, y: 1000), new Centre(x: 5, y: 5)]

    boolean removeObjects(Collection removed, boolean keepChildren) {
        assert keepChildren
        objects = objects - removed
        true
    }

    boolean addObjects(Collection added) {
        objects = objects + added
        println 'TEST objects ' + objects.size()
        true
    }
}

class Centre {
    double x, y

    def getROI() { this }

    double getCentroidX() { x }

    double getCentroidY() { y }
}
