#pragma once

#include <string>

#include "engine/models/package.h"
#include "engine/status.h"

namespace anabranch {

// model.sig is a signature of the bytes of model.json, which lists every other file: Ed25519, or ECDSA or RSA with
// SHA-256; raw or as base64. `openssl pkeyutl -sign -rawin -inkey release.key -in model.json -out model.sig` makes one.
// `key`: a file with the public key, PEM. kInvalid: there is no signature, or another key or other bytes made it.
// kUnavailable: the key cannot be read.
Status VerifyPackageSignature(const ModelPackage& package, const std::string& key);

}  // namespace anabranch
