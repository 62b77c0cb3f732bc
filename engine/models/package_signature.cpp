#include "engine/models/package_signature.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engine/models/package_files.h"
#include "engine/text/base64.h"

namespace anabranch {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using PublicKey = std::unique_ptr<EVP_PKEY, FreeKey>;

Result<PublicKey> ReadPublicKey(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr)
    return Status(Code::kUnavailable, "the key \"" + path + "\" cannot be read: " + std::strerror(errno));
  PublicKey key(PEM_read_PUBKEY(file, nullptr, nullptr, nullptr));
  std::fclose(file);
  if (key == nullptr) {
    return Status(Code::kUnavailable, "\"" + path +
                                          "\" holds no public key in PEM; `openssl pkey -in release.key -pubout` "
                                          "prints one");
  }
  return key;
}

}  // namespace

Status VerifyPackageSignature(const ModelPackage& package, const std::string& key_file) {
  ASSIGN_OR_RETURN(const PublicKey key, ReadPublicKey(key_file));
  if (!std::filesystem::exists(std::filesystem::path(package.folder) / kSignatureFile)) {
    return {Code::kInvalid,
            "the package has no model.sig; sign it: openssl pkeyutl -sign -rawin -inkey release.key -in "
            "model.json -out model.sig"};
  }
  ASSIGN_OR_RETURN(std::string signature, ReadPackageFile(package.folder, kSignatureFile, 65536));
  ASSIGN_OR_RETURN(const std::string signed_bytes, ReadPackageFile(package.folder, kManifestFile, int64_t{16} << 20));
  const size_t last = signature.find_last_not_of("\r\n");
  if (const auto decoded = FromBase64(std::string_view(signature).substr(0, last + 1)); decoded.ok())
    signature = *decoded;
  const bool ed = EVP_PKEY_id(key.get()) == EVP_PKEY_ED25519;
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  const bool begun = context != nullptr &&
                     EVP_DigestVerifyInit(context.get(), nullptr, ed ? nullptr : EVP_sha256(), nullptr, key.get()) == 1;
  if (!begun) return {Code::kInvalid, "the key \"" + key_file + "\" is of a kind that cannot verify signatures"};
  const auto bytes = [](const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  if (EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(signed_bytes), signed_bytes.size()) ==
      1) {
    return Status::Ok();
  }
  return {Code::kInvalid, "model.sig is not a signature of model.json by the key \"" + key_file +
                              "\": another key made it, or model.json was changed after it was signed"};
}

}  // namespace anabranch
