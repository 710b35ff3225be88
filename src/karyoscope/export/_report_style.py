"""Rules that only reports have, besides those of every page."""

STYLE = """
.whole { margin: 22px 0 0; text-align: center; }
.whole img { max-width: 100%; max-height: 86vh; border-radius: 6px; }
.whole .legend { max-width: none; margin: 8px 0 0; }
.card span { line-height: 1.25; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 8px;
  box-shadow: 0 0 0 1px rgba(0, 0, 0, .25); }
.classes { width: 100%; }
.classes thead th { color: #656d76; font-size: 13px; text-align: right; }
.classes thead th[colspan] { text-align: left; padding-left: 40px; }
.classes tfoot th, .classes tfoot td { font-weight: 600; border-bottom: 0; }
.bar { width: 26%; }
.bar i { display: block; height: 12px; border-radius: 3px; min-width: 1px;
  box-shadow: inset 0 0 0 1px rgba(0, 0, 0, .2); }
.panels img { width: 100%; border-radius: 4px; display: block; margin-top: 4px; }
.ramp { display: flex; align-items: center; gap: 8px; color: #656d76; font-size: 12px;
  margin-top: 6px; }
.ramp i { flex: 1; height: 8px; border-radius: 4px; box-shadow: inset 0 0 0 1px rgba(0,0,0,.15); }
.provenance { display: block; overflow-x: auto; }
.provenance th { color: #656d76; white-space: nowrap; vertical-align: top; }
.provenance td { text-align: left; overflow-wrap: anywhere; }
@media print { body { background: #fff; } figure, table { break-inside: avoid; } }
"""
