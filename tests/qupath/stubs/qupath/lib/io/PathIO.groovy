package qupath.lib.io

import groovy.json.JsonSlurper

/** Stands in for QuPath's reader of GeoJSON: makes objects of features by the rules that QuPath has. */
class PathIO {
    static List readObjects(File file) {
        new JsonSlurper().parse(file, 'UTF-8').features.collect { feature ->
            UUID.fromString(feature.id)
            assert feature.geometry.type == 'Polygon'
            assert feature.properties.objectType == 'detection'
            assert feature.properties.measurements.values().every { it instanceof Number }
            assert feature.properties.classification.color.size() == 3
            feature
        }
    }
}
