// Passkeys: asks the browser for a credential, and posts what it says by the page's own form.
"use strict";

(() => {
  const UNAVAILABLE = "This browser cannot do that here.";
  const SAYINGS = {
    NotAllowedError: "It was cancelled, or took too long. You can try again.",
    InvalidStateError: "This device already has a passkey for your account.",
    NotSupportedError: "This device has no kind of passkey that can be used here.",
    SecurityError: "Passkeys do not work at this address.",
    AbortError: "It was cancelled. You can try again.",
  };

  const toBytes = (text) => {
    const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  };

  const toText = (buffer) => {
    const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };

  const descriptors = (list) => (list || []).map((one) => ({ ...one, id: toBytes(one.id) }));

  const forGet = (json) => ({
    ...json,
    challenge: toBytes(json.challenge),
    allowCredentials: descriptors(json.allowCredentials),
  });

  const forCreate = (json) => ({
    ...json,
    challenge: toBytes(json.challenge),
    user: { ...json.user, id: toBytes(json.user.id) },
    excludeCredentials: descriptors(json.excludeCredentials),
  });

  // The same shape as PublicKeyCredential.toJSON(), which not every browser has (WebAuthn Level 3 section 5.1).
  const toJson = (credential) => {
    const response = { clientDataJSON: toText(credential.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = toText(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return {
      id: credential.id,
      rawId: toText(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    };
  };

  const ask = (kind, json) =>
    kind === "create"
      ? navigator.credentials.create({ publicKey: forCreate(json) })
      : navigator.credentials.get({ publicKey: forGet(json) });

  const prepare = (form) => {
    const button = form.querySelector("button");
    const says = form.querySelector(".passkey-says");
    const wait = (busy) => {
      if (busy) button.setAttribute("aria-busy", "true");
      else button.removeAttribute("aria-busy");
    };

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.getAttribute("aria-busy")) return;
      wait(true);
      says.textContent = "Follow what your browser asks.";
      try {
        const credential = await ask(form.dataset.passkey, JSON.parse(form.dataset.options));
        form.elements.credential.value = JSON.stringify(toJson(credential));
        form.submit();
      } catch (error) {
        says.textContent = SAYINGS[error.name] || UNAVAILABLE;
        wait(false);
      }
    });
    // Back from the next page: the browser may show this one as it was left.
    window.addEventListener("pageshow", () => wait(false));
    form.hidden = false;
  };

  if (window.PublicKeyCredential && navigator.credentials) {
    document.querySelectorAll("form[data-passkey]").forEach(prepare);
  }
})();
