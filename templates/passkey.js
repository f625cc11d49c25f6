// A passkey on this page: the server is asked for a ceremony, the authenticator answers, a form carries the answer. Nothing is
// decided here.
(() => {
  const form = document.querySelector('form[data-passkey]');
  const go = form.querySelector('[data-go]');
  const status = document.querySelector('[data-status]');
  const { passkey: kind, options: address, working, failed, taken, missing } = form.dataset;
  const say = (text) => { status.textContent = text ?? ''; };
  if (!window.PublicKeyCredential) return say(missing);
  for (const element of document.querySelectorAll('[data-with-passkeys]')) element.hidden = false;
  let pending;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
  const known = (list) => list?.map((one) => ({ ...one, id: bytes(one.id) }));

  async function begin(signal) {
    const fields = new URLSearchParams({ form: form.elements.form.value, step: form.elements.step.value });
    const answer = await fetch(address, { method: 'POST', body: fields, signal });
    // Another tab went on: this page is past.
    if (!answer.ok) return location.reload();
    const { ceremony, options } = await answer.json();
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    options.allowCredentials = known(options.allowCredentials);
    options.excludeCredentials = known(options.excludeCredentials);
    if (kind === 'create') delete options.allowCredentials;
    else delete options.excludeCredentials;
    return { ceremony, options };
  }

  function answered({ id, rawId, type, response }) {
    const said = { clientDataJSON: text(response.clientDataJSON) };
    if (kind === 'create') {
      said.attestationObject = text(response.attestationObject);
      said.transports = response.getTransports?.();
    } else {
      said.authenticatorData = text(response.authenticatorData);
      said.signature = text(response.signature);
      if (response.userHandle) said.userHandle = text(response.userHandle);
    }
    return JSON.stringify({ id, rawId: text(rawId), type, response: said, extensions: {} });
  }

  async function run(mediation) {
    pending?.abort();
    const mine = (pending = new AbortController());
    if (!mediation) say(working);
    try {
      const begun = await begin(mine.signal);
      if (!begun) return;
      const credential = await navigator.credentials[kind]({ publicKey: begun.options, signal: mine.signal, mediation });
      send({ ceremony: begun.ceremony, credential: answered(credential) });
    } catch (why) {
      if (!mine.signal.aborted && !mediation) say(why.name === 'InvalidStateError' ? taken : failed);
    }
  }

  // A form of its own: on the sign-in page the other one wants a name and a password.
  function send(said) {
    const carrier = document.createElement('form');
    carrier.method = 'post';
    carrier.action = form.getAttribute('action');
    carrier.hidden = true;
    const fields = { form: form.elements.form.value, step: form.elements.step.value, action: go.value, ...said };
    for (const [name, value] of Object.entries(fields)) {
      const field = document.createElement('input');
      Object.assign(field, { type: 'hidden', name, value });
      carrier.append(field);
    }
    document.body.append(carrier);
    carrier.submit();
  }

  if (go.type === 'button') go.addEventListener('click', () => run());
  form.addEventListener('submit', (event) => {
    if (event.submitter !== go) return pending?.abort();
    event.preventDefault();
    run();
  });
  if ('auto' in form.dataset) run();
  else if ('conditional' in form.dataset)
    PublicKeyCredential.isConditionalMediationAvailable?.().then((can) => can && !pending && run('conditional'));
})();
