// Tells password managers which passkeys are still good, where the browser can (WebAuthn Level 3 §5.1.10).
(() => {
  const { rp, unknown, user, accepted, name } = document.querySelector('[data-signal]').dataset;
  const signal = (what, said) => window.PublicKeyCredential?.[what]?.({ rpId: rp, ...said })?.catch(() => {});
  if (unknown) signal('signalUnknownCredential', { credentialId: unknown });
  if (!user) return;
  signal('signalAllAcceptedCredentials', { userId: user, allAcceptedCredentialIds: accepted.split(' ').filter(Boolean) });
  signal('signalCurrentUserDetails', { userId: user, name, displayName: name });
})();
