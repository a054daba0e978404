-- Has wrk send what certsweep sends: a path of its own for each request, and the body of a revocation.
local id = 100000000 - 1
local headers = { ["Content-Type"] = "application/json", ["X-DC-DEVKEY"] = "bench" }
local body = '{"comments":"INC-42 leaked key","revocation_reason":"key_compromise","skip_approval":true}'

function request()
  id = id + 1
  return wrk.format("PUT", "/certificate/" .. id .. "/revoke", headers, body)
end
