// The installation's root: guests trust it, intermediates of one sandbox each are signed by it, and
// its key never leaves this process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::supervisor {

class CertificateAuthority {
  public:
    // Reads root.pem and root.key below `folder`, or makes them (P-256, ten years; the folder 0700,
    // the key 0600). Two that start at once end up with the same root.
    static Result<CertificateAuthority> open(const std::string& folder);
    CertificateAuthority(CertificateAuthority&&) noexcept;
    CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
    ~CertificateAuthority();

    // The certificate (DER) of a sandbox's intermediate, whose key its proxy made and keeps: valid
    // for 30 days, path length 0, named after the sandbox. `public_key` is a SubjectPublicKeyInfo
    // (DER); an error for anything but a point on P-256.
    Result<std::string> issue(std::string_view sandbox, std::string_view public_key) const;

    [[nodiscard]] const std::string& root_pem() const { return root_pem_; }
    // What OpenSSL calls the root's file in a folder of certificates: 8 hexadecimal digits.
    [[nodiscard]] std::string root_subject_hash() const;

  private:
    struct Material;
    CertificateAuthority();
    std::string root_pem_;
    std::unique_ptr<Material> material_;
};

// $XDG_STATE_HOME/anchorhold/ca, or its place below $HOME.
Result<std::string> default_ca_folder();

}  // namespace anchorhold::supervisor
