/** The admin page before it has loaded anything: it says nothing of the server it is of. */
export const ADMIN_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>Federation</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{{base}}/admin/page/style.css">
<script type="module" src="{{base}}/admin/page/main.js"></script>
</head>
<body data-base="{{base}}" data-token="{{token}}">
<header id="head"><h1 id="name">Federation</h1><p id="about"></p></header>
<p id="banner" role="status" aria-live="polite" hidden></p>
<form id="login" hidden>
<h2>Sign in</h2>
<label for="token">Admin token</label>
<input id="token" type="password" autocomplete="current-password" required minlength="32">
<button class="primary">Show this server</button>
<p id="wrong" role="alert"></p>
<p class="muted">It is the <code>admin.token</code> that this server was started with. This tab alone keeps it.</p>
</form>
<main id="main" hidden>
<section aria-labelledby="trouble-title" id="trouble"><h2 id="trouble-title" class="unseen">What needs you</h2><ul id="troubles"></ul></section>
<section aria-labelledby="peers-title">
<div class="bar"><h2 id="peers-title">Peers</h2>
<div id="filters" role="group" aria-label="Show only"></div>
<label class="unseen" for="search">Search peers</label>
<input id="search" type="search" placeholder="Search name, origin, world, reason" autocomplete="off"></div>
<table id="peers"><caption class="unseen">Peers, the worst first</caption>
<thead><tr><th scope="col">State</th><th scope="col">Peer</th><th scope="col">Since</th><th scope="col">Why</th><th scope="col">Trust</th><th scope="col">Round trip</th><th scope="col">Hour</th><th scope="col">Day</th><th scope="col">90 days</th><th scope="col"><span class="unseen">More</span></th></tr></thead>
<tbody></tbody></table>
<p id="none" class="muted" hidden></p>
<nav id="pages" aria-label="Pages of peers" hidden><button id="earlier">Earlier</button><span id="where"></span><button id="later">Later</button></nav>
<p class="legend muted"><span class="key up"></span> up <span class="key some"></span> partly <span class="key off"></span> down <span class="key gap"></span> not observed</p>
</section>
<div class="columns" id="lists"></div>
</main>
<dialog id="dialog" aria-labelledby="dialog-title"></dialog>
<noscript><p>This page needs JavaScript. The same is on the command line: <code>npx aether-federation status</code></p></noscript>
</body>
</html>
`;
