// A virtual authenticator of Chromium (WebAuthn §11). Nobody is present but in the moment of a tap: with somebody always
// present, a page that offers passkeys in its autofill would sign in by itself.

export async function plugIn(page, kind = {}) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  const options = {
    protocol: 'ctap2',
    transport: 'internal',
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    automaticPresenceSimulation: false,
    ...kind,
  };
  const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', { options });
  const present = (enabled) =>
    devtools.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
  return {
    /** Somebody touches it while `act` waits for what comes of it. */
    async tap(act) {
      await present(true);
      try {
        return await act();
      } finally {
        await present(false);
      }
    },
    credentials: async () => (await devtools.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    /** Whether it knows who touches it: by a finger, a face, a PIN. */
    verifies: (isUserVerified) => devtools.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    /** What it has made is gone. */
    forget: () => devtools.send('WebAuthn.clearCredentials', { authenticatorId }),
    remove: () => devtools.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
  };
}

export const SECURITY_KEY = { transport: 'usb', hasResidentKey: false, hasUserVerification: false, isUserVerified: false };
