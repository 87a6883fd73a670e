// X.509 by x509/ (RFC 5280); files appear whole or not at all.
#include "supervisor/window/certificate_authority.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/sys.h"
#include "proxy/credentials/locked_memory.h"
#include "x509/certificate.h"

namespace anchorhold::supervisor {
namespace {

using x509::fail_openssl;
using x509::OwnBio;
using x509::OwnCertificate;
using x509::OwnKey;

constexpr size_t kMaxKeyText = 4000;
constexpr const char* kWhat = "the installation's root certificate";

struct Issuer {
    X509* certificate = nullptr;  // null: the key signs itself
    EVP_PKEY* key = nullptr;
};

Result<OwnCertificate> sign_authority(const std::string& name, long days, const char* constraints,
                                      EVP_PKEY* key, const Issuer& issuer) {
    std::vector<x509::Extension> extensions = {{NID_basic_constraints, constraints},
                                               {NID_key_usage, "critical,keyCertSign"},
                                               {NID_subject_key_identifier, "hash"}};
    if (issuer.certificate != nullptr) {
        extensions.push_back({NID_authority_key_identifier, "keyid:always"});
    }
    x509::CertificateRequest request;
    request.common_name = name;
    request.days = days;
    request.key = key;
    request.extensions = extensions;
    auto certificate = x509::sign_certificate(request, issuer.certificate, issuer.key);
    return certificate ? std::move(certificate) : tl::unexpected(certificate.error().within(kWhat));
}

std::string bio_text(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<size_t>(size)};
}

Result<OwnKey> read_key(const std::string& path) {
    const proxy::LockedMemory text = ANCHORHOLD_TRY(proxy::LockedMemory::allocate(kMaxKeyText));
    const OwnFd file = ANCHORHOLD_TRY(sys::open(path, O_RDONLY));
    size_t size = 0;
    for (size_t got = 1; got > 0; size += got) {
        const auto room = std::as_writable_bytes(text.bytes().subspan(size));
        if (room.empty()) {
            return fail(path + ": too long for a key");
        }
        got = ANCHORHOLD_TRY(sys::read_some(file.get(), room)).value_or(0);
    }
    auto key = x509::parse_private_key({text.bytes().data(), size});
    if (!key) {
        return tl::unexpected(key.error().within(path));
    }
    return key;
}

Status write_whole(const std::string& path, const std::string& text, mode_t mode) {
    const std::string temporary = path + ".new";
    {
        const OwnFd file =
            ANCHORHOLD_TRY(sys::open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode));
        ANCHORHOLD_TRY(sys::write_all(file.get(), text));
        if (::fsync(file.get()) < 0) {
            return fail_errno("fsync", temporary);
        }
    }
    return ::rename(temporary.c_str(), path.c_str()) == 0 ? Status() : fail_errno("rename", path);
}

}  // namespace

struct CertificateAuthority::Material {
    OwnCertificate root;
    OwnKey key;
};

CertificateAuthority::CertificateAuthority() : material_(std::make_unique<Material>()) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

Result<CertificateAuthority> CertificateAuthority::open(const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), error);
    if (::mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST) {
        return fail_errno("mkdir", folder);
    }
    const OwnFd lock = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    if (::flock(lock.get(), LOCK_EX) < 0) {
        return fail_errno("flock", folder);
    }
    const std::string certificate_path = folder + "/root.pem";
    const std::string key_path = folder + "/root.key";
    if (!std::filesystem::exists(certificate_path)) {
        const OwnKey made(EVP_EC_gen("P-256"));
        if (!made) {
            return fail_openssl(kWhat);
        }
        const OwnCertificate self = ANCHORHOLD_TRY(
            sign_authority("Anchorhold root of this installation", 3650,
                           "critical,CA:TRUE,pathlen:1", made.get(), {nullptr, made.get()}));
        const OwnBio key(BIO_new(BIO_s_secmem()));
        const OwnBio certificate(BIO_new(BIO_s_mem()));
        PEM_write_bio_PKCS8PrivateKey(key.get(), made.get(), nullptr, nullptr, 0, nullptr, nullptr);
        PEM_write_bio_X509(certificate.get(), self.get());
        std::string key_text = bio_text(key.get());
        const Status written = write_whole(key_path, key_text, 0600);
        ::explicit_bzero(key_text.data(), key_text.size());
        ANCHORHOLD_TRY(written);
        ANCHORHOLD_TRY(write_whole(certificate_path, bio_text(certificate.get()), 0644));
    }
    CertificateAuthority authority;
    authority.root_pem_ = ANCHORHOLD_TRY(sys::read_file(certificate_path));
    const OwnBio certificate(
        BIO_new_mem_buf(authority.root_pem_.data(), static_cast<int>(authority.root_pem_.size())));
    authority.material_->root.reset(
        PEM_read_bio_X509(certificate.get(), nullptr, nullptr, nullptr));
    authority.material_->key = ANCHORHOLD_TRY(read_key(key_path));
    if (!authority.material_->root || !authority.material_->key ||
        X509_check_private_key(authority.material_->root.get(), authority.material_->key.get()) !=
            1) {
        return fail("root.pem and root.key in " + folder +
                    " do not belong together: remove both, and a new root is made");
    }
    return authority;
}

std::string CertificateAuthority::root_subject_hash() const {
    return fmt::format("{:08x}", X509_subject_name_hash(material_->root.get()));
}

Result<std::string> CertificateAuthority::issue(std::string_view sandbox,
                                                std::string_view public_key) const {
    const OwnKey key = ANCHORHOLD_TRY(x509::parse_public_key(public_key));
    char group[16] = {};
    if (EVP_PKEY_get_utf8_string_param(key.get(), OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       nullptr) != 1 ||
        std::string_view(group) != SN_X9_62_prime256v1) {
        ERR_clear_error();
        return fail("an intermediate's key is not on P-256");
    }
    const OwnCertificate made = ANCHORHOLD_TRY(sign_authority(
        "Anchorhold sandbox " + std::string(sandbox.substr(0, 40)), 30,
        "critical,CA:TRUE,pathlen:0", key.get(), {material_->root.get(), material_->key.get()}));
    return x509::certificate_der(made.get());
}

Result<std::string> default_ca_folder() {
    if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
        return std::string(state) + "/anchorhold/ca";
    }
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
        return std::string(home) + "/.local/state/anchorhold/ca";
    }
    return fail("neither XDG_STATE_HOME nor HOME is an absolute path: set one");
}

}  // namespace anchorhold::supervisor
