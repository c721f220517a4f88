// An adapter that keeps everything in this process. The package's own one forgets all but the latest thousand entries.
// https://github.com/panva/node-oidc-provider/blob/main/docs/README.md#adapter tells what each function has to do.

export function memory() {
  const entries = new Map();
  const grants = new Map();
  const uids = new Map();

  return class Memory {
    constructor(model) {
      this.prefix = `${model}:`;
      this.uids = model === 'Session';
    }

    async upsert(id, payload, expiresIn) {
      const key = this.prefix + id;
      entries.set(key, { payload, expires: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
      if (this.uids) uids.set(payload.uid, id);
      if (payload.grantId) {
        const members = grants.get(payload.grantId);
        if (members) members.add(key);
        else grants.set(payload.grantId, new Set([key]));
      }
    }

    async find(id) {
      const key = this.prefix + id;
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.expires > Date.now()) return entry.payload;
      entries.delete(key);
      return undefined;
    }

    async findByUid(uid) {
      return this.find(uids.get(uid));
    }

    async findByUserCode() {
      return undefined; // there is no device flow here
    }

    async consume(id) {
      entries.get(this.prefix + id).payload.consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
      entries.delete(this.prefix + id);
    }

    async revokeByGrantId(grantId) {
      for (const key of grants.get(grantId) ?? []) entries.delete(key);
      grants.delete(grantId);
    }
  };
}
