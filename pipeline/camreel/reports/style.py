"""How the page looks: light and dark, as the reader's system is."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --paper: #fff; --faint: #6b7480; --rule: #d8dee6; --band: #f3f6f9 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --paper: #14181d; --faint: #97a1ad; --rule: #333b45; --band: #1c2229 }
}
body {
  font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1100px; margin: 2rem auto; padding: 0 1rem;
}
h1 { font-size: 1.5rem }
h2 { font-size: 1.15rem; margin-top: 2.2rem; border-bottom: 1px solid var(--rule) }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .2rem .6rem }
th:first-child, td:first-child { text-align: left }
tr.own { background: var(--band); font-weight: 600; border-top: 1px solid var(--rule) }
tr.beside td { color: var(--faint) }
tr.beside td:first-child { padding-left: 1.6rem }
small, .faint { color: var(--faint); font-weight: 400 }
img, svg { width: 100%; height: auto; display: block }
svg { background: var(--band); margin-top: .3rem }
.curve { fill: none; stroke-width: 2 }
.grid { stroke: var(--rule) }
.mark { fill: var(--faint); font-size: 12px; dominant-baseline: middle }
.square { max-width: 300px }
.confusion { width: auto }
.confusion td + td { background: color-mix(in srgb, #e8590c calc(var(--share) * 70%), transparent); min-width: 4rem }
.level { stroke: var(--faint); stroke-dasharray: 6 6 }
.key { margin: .2rem 0 0; font-size: .85rem }
.key span { margin-right: 1.2rem }
.key i { display: inline-block; width: .8em; height: .8em; margin-right: .35em }
code { overflow-wrap: anywhere }
"""
