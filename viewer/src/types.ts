// What the server says; see karyoscope.view.answers.
export interface ResultName { key: string; name: string; problem: string; annotated: boolean }
export interface SlideName { key: string; name: string; problem: string; results: ResultName[] }
export interface Place { slide: string; x: number; y: number; width: number; height: number; note: string }
export interface Catalogue {
  slides: SlideName[];
  cohort: Record<string, string | number | null>[];
  may: { edit: boolean; segment: boolean };
  queue: Place[];
  shared?: boolean;
}
export interface SlideInfo {
  key: string; name: string; tile: number; width: number; height: number;
  mpp: [number, number]; levels: number; problem: string;
}
export interface NucleusClass { id: number; name: string; color: [number, number, number] }
export interface Column { name: string; place: number }
export interface ResultInfo {
  key: string; slide: string; name: string; classes: NucleusClass[]; counts: number[];
  columns: Column[]; nuclei: number; last_id: number; tile: number; across: number; down: number; bins: number;
  levels: number; model: string; warnings: string[]; damaged_edits: number; can_edit: boolean;
}
export interface Histogram {
  low: number; high: number; least: number; most: number; counts: number[][]; missing: number;
}
export interface Nucleus {
  id: number; x: number; y: number; class: number; values: Record<string, number | null>;
}
export interface Added { id: number; class: number; outline: [number, number][] }
export interface Edits {
  removed: number[]; classes: [number, number][]; added: Added[]; count: number; last: string;
  counts: number[]; entry?: { add?: Added[] };
}
export interface ClassMeasure {
  id: number; name: string; count: number; share: number | null; density_per_mm2: number | null;
  nearest_um: number | null; border_um: number | null;
}
export interface Measure {
  area_mm2: number; tissue_mm2: number | null; nuclei: number; density_per_mm2: number | null;
  nearest_um: number | null; classes: ClassMeasure[];
}
export type Ring = [number, number][];
export interface Geometry { type: "Polygon" | "MultiPolygon"; coordinates: Ring[] | Ring[][] }
export interface Region {
  type: "Feature"; geometry: Geometry;
  properties: { objectType: "annotation"; name: string; reviewed: boolean };
}
export interface Agreement {
  counts: Record<"agrees" | "other class" | "extra" | "missed", number>;
  precision: number | null; recall: number | null; f1: number | null;
  class_accuracy: number | null; radius_um: number;
  places: { x: number; y: number; edge: number; differences: number }[];
}
export interface Filter { name: string; place: number; low: number; high: number }
