#include "engine/models/sha256.h"

#include <openssl/evp.h>

namespace anabranch {
namespace {

EVP_MD_CTX* Context(void* context) { return static_cast<EVP_MD_CTX*>(context); }

}  // namespace

Sha256Sum::Sha256Sum() : context_(EVP_MD_CTX_new()) {
  if (context_ == nullptr || EVP_DigestInit_ex(Context(context_), EVP_sha256(), nullptr) == 1) return;
  EVP_MD_CTX_free(Context(context_));
  context_ = nullptr;
}

Sha256Sum::~Sha256Sum() { EVP_MD_CTX_free(Context(context_)); }

void Sha256Sum::Add(std::string_view bytes) {
  if (context_ == nullptr || EVP_DigestUpdate(Context(context_), bytes.data(), bytes.size()) == 1) return;
  EVP_MD_CTX_free(Context(context_));
  context_ = nullptr;
}

Result<std::string> Sha256Sum::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (context_ == nullptr || EVP_DigestFinal_ex(Context(context_), digest, &size) != 1) {
    return Status(Code::kInternal, "the system's libcrypto does not offer SHA-256");
  }
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

Result<std::string> Sha256(std::string_view bytes) {
  Sha256Sum sum;
  sum.Add(bytes);
  return sum.Finish();
}

}  // namespace anabranch
