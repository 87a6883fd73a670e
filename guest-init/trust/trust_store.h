// The installation's root among what the image trusts: files where each kind of program looks, and
// variables for those that have a store of their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace anchorhold::guest_init {

// Where it is, for everybody, whatever the image is.
inline constexpr const char* kCaFile = "/run/anchorhold/ca.pem";
inline constexpr const char* kBundleFile = "/run/anchorhold/bundle.pem";
inline constexpr const char* kJavaStoreFile = "/run/anchorhold/cacerts";

struct RootCertificate {
    std::string_view pem;
    std::string_view subject_hash;  // 8 hex digits as OpenSSL's, or empty: no hashed link
};

// Writes, below `root` (empty: the root directory):
// - kCaFile, kBundleFile (the image's own certificates and ours) and the same for Java;
// - the root appended to every bundle the image has, of Debian, Alpine, Arch, Fedora, openSUSE;
// where
//   it has none, Debian's;
// - the root as a file of its own where update-ca-certificates and update-ca-trust look, so that it
//   stays when they run, with OpenSSL's hashed link beside Debian's;
// - policies for Firefox and Chromium, whose NSS stores no file reaches.
// A file that cannot be written is an error, after all others were.
Status install_root_certificate(const std::string& root, const RootCertificate& certificate);

// KEY=VALUE for programs that read no system store, or not always.
[[nodiscard]] std::vector<std::string> trust_environment();

}  // namespace anchorhold::guest_init
