/** Pictures that are put together of others, as pages that a browser draws. Each screenshot is a `data:` URL. */

const FONT = "font-family: 'DejaVu Sans', Verdana, sans-serif";

/** @param body HTML @param css CSS */
const sheet = (css, body) => `<!doctype html>
<style>
  * { box-sizing: border-box; margin: 0 }
  body { ${FONT}; color: #f4f1ea; background: #14181d; overflow: hidden }
  ${css}
</style>
${body}`;

/** The crossing, for the README: three moments side by side, 1680 × 700. */
export function crossingSheet({ plaza, gate, arena }) {
  const panes = [
    [plaza, "1", "Ada walks into a gate", "on one operator’s server"],
    [gate, "2", "The servers agree", "she is in one place, whatever crashes"],
    [arena, "3", "She is on another operator’s", "same name, hat and coins; no account"],
  ];
  return {
    ...{ width: 1680, height: 700 },
    html: sheet(
      `body { display: flex; gap: 18px; padding: 18px; height: 700px }
       figure { flex: 1; display: flex; flex-direction: column; border-radius: 16px; overflow: hidden; background: #232a32 }
       img { width: 100%; aspect-ratio: 1; object-fit: cover; display: block }
       figcaption { flex: 1; display: flex; gap: 16px; align-items: center; padding: 0 18px; line-height: 1.3 }
       b { font-size: 25px; display: block; white-space: nowrap; letter-spacing: -.02em }
       span { font-size: 19px; color: #c9d0d6; letter-spacing: -.02em; white-space: nowrap }
       i { flex: none; width: 46px; height: 46px; border-radius: 50%; background: #33e0ac; color: #10241d;
           font: bold 26px/46px sans-serif; text-align: center }`,
      panes
        .map(
          ([src, number, title, more]) =>
            `<figure><img src="${src}"><figcaption><i>${number}</i><div><b>${title}</b><span>${more}</span></div></figcaption></figure>`,
        )
        .join("\n"),
    ),
  };
}

/** What a link to a world is shown with, 1200 × 630. */
export function previewSheet({ plaza, arena }) {
  return {
    ...{ width: 1200, height: 630 },
    html: sheet(
      `body { height: 630px; position: relative }
       section, svg { position: absolute; inset: 0 }
       section { overflow: hidden }
       img { position: absolute; left: -290px; top: -60px }
       .there { clip-path: polygon(54% 0, 100% 0, 100% 100%, 46% 100%) }
       .there img { left: 290px }
       div { position: absolute; left: 0; right: 0; bottom: 0; padding: 90px 40px 38px; text-align: center;
             background: linear-gradient(#0d101400, #0d1014e0 45%, #0d1014f5) }
       h1 { font-size: 50px; letter-spacing: -.03em; white-space: nowrap }
       p { font-size: 27px; margin-top: 10px; color: #d5dbe0 }`,
      `<section><img src="${plaza}"></section><section class="there"><img src="${arena}"></section>
       <svg viewBox="0 0 1200 630"><path d="M648 0 552 630" stroke="#33e0ac" stroke-width="10" /></svg>
       <div><h1>Walk through a gate into another world</h1>
       <p>Servers of different operators. One player: same name, same belongings.</p></div>`,
    ),
  };
}
