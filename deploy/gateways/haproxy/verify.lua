-- Asks Tallystick whether a request may pass: `http-request lua.verify <address of Tallystick> <what is needed>`.
-- Who may not is answered here, as Tallystick says. Who may goes on, with who it is in the headers of the request and
-- with the variable txn.verified, without which the configuration lets nobody pass.

local IDENTITY = {
    "x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-roles", "x-auth-token-id", "x-auth-acr",
}
local TOLD = { "authorization", "user-agent", "traceparent", "x-forwarded-for", "x-forwarded-proto" }
local HANDED_ON = { "www-authenticate", "retry-after", "content-type", "cache-control" }
local ANSWERED = { [401] = true, [403] = true, [429] = true }
local MILLISECONDS = 5000

-- All values of a header: lists of HAProxy begin at 0.
local function values(headers, name)
    local found = {}
    for _, value in pairs(headers[name] or {}) do
        found[#found + 1] = value
    end
    return found
end

local function refuse(txn, status, answer)
    local reply = txn:reply({ status = status })
    if answer then
        for _, name in ipairs(HANDED_ON) do
            for _, value in ipairs(values(answer.headers, name)) do
                reply:add_header(name, value)
            end
        end
        reply:set_body(answer.body or "")
    end
    txn:done(reply)
end

local function verify(txn, tallystick, needs)
    local got = txn.http:req_get_headers()
    local told = { ["x-original-uri"] = { txn.sf:pathq() } }
    for _, name in ipairs(TOLD) do
        told[name] = values(got, name)
    end
    local answer = core.httpclient():get({
        url = tallystick .. "/verify?" .. needs,
        headers = told,
        timeout = MILLISECONDS,
    })
    if answer and ANSWERED[answer.status] then
        return refuse(txn, answer.status, answer)
    end
    if not answer or answer.status ~= 200 then
        return refuse(txn, 503)
    end
    for _, name in ipairs(IDENTITY) do
        txn.http:req_set_header(name, values(answer.headers, name)[1] or "")
    end
    txn:set_var("txn.verified", true)
end

core.register_action("verify", { "http-req" }, verify, 2)
