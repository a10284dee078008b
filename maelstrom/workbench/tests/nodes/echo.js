#!/usr/bin/env node
// An echo node.
let me = '';
const send = (dest, body) => console.log(JSON.stringify({ src: me, dest, body }));
require('readline')
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { src, body } = JSON.parse(line);
    const in_reply_to = body.msg_id;
    if (body.type === 'init') {
      me = body.node_id;
      send(src, { type: 'init_ok', in_reply_to });
    } else {
      send(src, { type: 'echo_ok', echo: body.echo, in_reply_to });
    }
  });
