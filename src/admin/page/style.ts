/** The look of the admin and status pages: light and dark, from a phone to a desk. */
export const PAGE_CSS = `
:root {
  --page: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #566173; --line: #dde2ea;
  --good: #1a7f4b; --some: #9a6700; --bad: #c4302b; --idle: #566173; --gap: #d3d9e2;
  --bar-good: #3fa871; --bar-some: #d9a326; --bar-bad: #d9534a; --accent: #2457c5; --accent-ink: #fff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161c; --card: #1a2028; --ink: #e6ebf2; --soft: #9aa7b8; --line: #2c3541;
    --good: #4cc38a; --some: #e0b341; --bad: #ff7b72; --idle: #9aa7b8; --gap: #38424f;
    --bar-good: #37946a; --bar-some: #b98a1f; --bar-bad: #d0504a; --accent: #7aa7ff; --accent-ink: #0c1626;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 1280px; padding: 12px 20px 32px; background: var(--page); color: var(--ink);
  font: 13px/1.4 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: 18px; margin: 0; } h2 { font-size: 14px; margin: 0; } p { margin: 6px 0; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; }
header p { margin: 0; color: var(--soft); }
code { font: 12px ui-monospace, "SF Mono", Consolas, monospace; overflow-wrap: anywhere; }
.muted { color: var(--soft); } .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
button, input { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 3px 10px; }
button { cursor: pointer; } button:hover { border-color: var(--accent); }
button:focus-visible, input:focus-visible, a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
button.primary { background: var(--accent); color: var(--accent-ink); border-color: var(--accent); }
button.danger { color: var(--bad); border-color: var(--bad); }
button:disabled { opacity: .6; cursor: default; }
#banner { background: var(--card); border: 1px solid var(--some); border-left-width: 4px; border-radius: 6px; padding: 6px 10px; }
#login { max-width: 420px; margin: 48px auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px; display: grid; gap: 8px; }
#login input { padding: 8px 10px; } #login button { padding: 8px 10px; } #wrong { color: var(--bad); margin: 0; min-height: 1.4em; }
#troubles { list-style: none; margin: 8px 0; padding: 0; display: grid; gap: 4px; }
#troubles li { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 6px; padding: 4px 10px; overflow-wrap: anywhere; }
#troubles li.warn { border-left-color: var(--some); } #troubles li.well { border-left-color: var(--good); }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; margin: 10px 0 6px; }
.bar input { margin-left: auto; width: 300px; } #filters { display: flex; flex-wrap: wrap; gap: 4px; }
#filters button { padding: 1px 9px; border-radius: 12px; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); border-radius: 8px; table-layout: fixed; }
th, td { text-align: left; padding: 0 6px; height: 24px; line-height: 22px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
th { color: var(--soft); font-weight: 500; height: 24px; } tbody tr { box-shadow: inset 0 1px var(--line); } tbody tr:hover { background: var(--page); }
#peers th:nth-child(1) { width: 98px; } #peers th:nth-child(2) { width: 220px; } #peers th:nth-child(3) { width: 52px; }
#peers th:nth-child(5) { width: 82px; } #peers th:nth-child(6) { width: 124px; } #peers th:nth-child(7) { width: 132px; }
#peers th:nth-child(8) { width: 144px; } #peers th:nth-child(9) { width: 160px; } #peers th:nth-child(10) { width: 40px; }
#peers td:last-child { overflow: visible; padding: 0 6px 0 0; } #peers td:last-child button { padding: 0; width: 28px; height: 24px; line-height: 20px; border-color: transparent; background: none; }
.peer b { font-weight: 600; margin-right: 6px; } .peer span { color: var(--soft); }
.state { font-weight: 600; } .state.up { color: var(--good); } .state.degraded, .state.pending, .state.refused { color: var(--some); }
.state.down, .state.quarantined, .state.unmet { color: var(--bad); } .state.unknown, .state.blocked { color: var(--idle); }
svg { vertical-align: middle; display: inline-block; } svg .up { fill: var(--bar-good); } svg .some { fill: var(--bar-some); } svg .off { fill: var(--bar-bad); } svg .gap { fill: var(--gap); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 1.2; }
.share { display: inline-block; min-width: 46px; text-align: right; margin-left: 5px; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; vertical-align: -1px; margin-left: 10px; }
.key.up { background: var(--bar-good); } .key.some { background: var(--bar-some); } .key.off { background: var(--bar-bad); } .key.gap { background: var(--gap); }
#pages { display: flex; gap: 10px; align-items: center; justify-content: center; margin: 8px 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 12px; margin-top: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px; min-width: 0; }
.card h2 { display: flex; gap: 8px; align-items: baseline; } .card h2 span { color: var(--soft); font-weight: 400; }
.card ul { list-style: none; margin: 4px 0 0; padding: 0; max-height: 260px; overflow: auto; }
.card li { display: flex; flex-wrap: wrap; gap: 0 8px; align-items: baseline; padding: 3px 0; border-top: 1px solid var(--line); }
.card li > span:first-child { flex: 1 1 260px; min-width: 0; overflow-wrap: anywhere; } .card li .bad { color: var(--bad); }
dialog { color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 20px; width: min(620px, calc(100vw - 24px)); max-height: calc(100vh - 24px); overflow: auto; }
dialog::backdrop { background: rgb(0 0 0 / .45); } dialog dl { display: grid; grid-template-columns: 140px 1fr; gap: 4px 12px; margin: 10px 0; }
dialog dt { color: var(--soft); } dialog dd { margin: 0; overflow-wrap: anywhere; } .buttons { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 12px; }
dialog label { display: block; padding: 4px 0; overflow-wrap: anywhere; } #outcome { min-height: 1.4em; }
@media (max-width: 820px) {
  body { padding: 10px 12px 24px; } .bar input { margin-left: 0; width: 100%; padding: 8px 10px; } button { padding: 6px 12px; } #filters button { padding: 4px 12px; border-radius: 16px; }
  #peers thead { display: none; } #peers, #peers tbody { display: block; border: 0; background: none; }
  #peers tr { display: grid; grid-template-columns: auto 1fr auto; gap: 2px 10px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 10px; margin-bottom: 6px; }
  #peers td { display: block; height: auto; padding: 0; overflow: visible; white-space: normal; min-width: 0; overflow-wrap: anywhere; }
  #peers td:nth-child(2) { grid-column: 2; } #peers td:nth-child(10) { grid-column: 3; grid-row: 1; } #peers td:nth-child(3) { display: none; }
  #peers td:nth-child(4), #peers td:nth-child(7), #peers td:nth-child(8), #peers td:nth-child(9) { grid-column: 1 / -1; }
  #peers td:nth-child(4):empty { display: none; } #peers td:nth-child(6) { grid-column: 2 / -1; }
  #peers td[data-label]::before { content: attr(data-label); color: var(--soft); display: inline-block; width: 64px; }
  #peers td:last-child button { padding: 4px 12px; } dialog dl { grid-template-columns: 1fr; gap: 0; } dialog dd { margin-bottom: 6px; }
}
@media (prefers-reduced-motion: no-preference) { button { transition: border-color .12s; } }
`;
