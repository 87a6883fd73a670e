// Tables of places and variables.
#include "guest-init/trust/trust_store.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "guest-init/image_files.h"
#include "guest-init/trust/java_key_store.h"
#include "guest-init/trust/pem.h"

namespace anchorhold::guest_init {
namespace {

constexpr size_t kMaxBundle = 4 << 20;

// Certificates in one file. The first that is there is the image's idea of whom to trust.
constexpr const char* kBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Alpine, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",                   // what older ones of them had
    "/etc/ssl/ca-bundle.pem",                             // openSUSE
    "/var/lib/ca-certificates/ca-bundle.pem",             // openSUSE, where that link leads
    "/etc/ssl/cert.pem",                                  // Alpine's and BSD's OpenSSL
};

// Folders of single certificates that go into the bundles when the distribution's tool is run.
struct Anchor {
    const char* folder;
    const char* name;
};
constexpr Anchor kAnchors[] = {
    {"/usr/local/share/ca-certificates", "/anchorhold.crt"},  // Debian, Alpine
    {"/etc/pki/ca-trust/source/anchors", "/anchorhold.pem"},  // Fedora; p11-kit reads it too
    {"/etc/ca-certificates/trust-source/anchors", "/anchorhold.crt"},  // Arch, as Fedora's
    {"/etc/pki/trust/anchors", "/anchorhold.pem"},                     // openSUSE
};

constexpr const char* kHashedFolder = "/etc/ssl/certs";

// Browsers with NSS inside: a policy names the file or holds the certificate.
constexpr const char* kFirefoxPolicy = "/etc/firefox/policies/policies.json";
constexpr const char* kChromiumPolicies[] = {"/etc/chromium/policies/managed/anchorhold.json",
                                             "/etc/opt/chrome/policies/managed/anchorhold.json"};

struct Variable {
    const char* name;
    const char* value;
};
// clang-format off: a table
constexpr Variable kVariables[] = {
    {"NODE_EXTRA_CA_CERTS", kCaFile},  // Node, npm, Bun, Electron: added to its own
    {"DENO_CERT", kCaFile},            // Deno: added to its own
    {"SSL_CERT_FILE", kBundleFile},    // OpenSSL: Python's ssl, Ruby, Perl; Go; rustls-native-certs
    {"REQUESTS_CA_BUNDLE", kBundleFile},                // Python's requests, which has certifi's
    {"PIP_CERT", kBundleFile},                          // pip
    {"CURL_CA_BUNDLE", kBundleFile},                    // curl, and requests as well
    {"GIT_SSL_CAINFO", kBundleFile},                    // git
    {"CARGO_HTTP_CAINFO", kBundleFile},                 // cargo
    {"AWS_CA_BUNDLE", kBundleFile},                     // AWS CLI and SDKs
    {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", kBundleFile},  // gRPC's core, which has its own
    {"NIX_SSL_CERT_FILE", kBundleFile},                 // what Nix built
    {"HTTPLIB2_CA_CERTS", kBundleFile},                 // httplib2
};
// clang-format on

std::string with_line_end(std::string text) {
    if (!text.empty() && text.back() != '\n') {
        text.push_back('\n');
    }
    return text;
}

bool is_hash(std::string_view text) {
    return text.size() == 8 && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

// Notes the first failure and goes on.
class Writer {
  public:
    explicit Writer(std::string root) : root_(std::move(root)) {}

    [[nodiscard]] std::string read(const char* path) const {
        return read_regular(root_ + path, kMaxBundle);
    }
    [[nodiscard]] bool there(const char* path) const {
        return ::access((root_ + path).c_str(), F_OK) == 0;
    }
    void write(const std::string& path, std::string_view text) {
        note(replace_file(root_ + path, text));
    }
    void link(const std::string& path, const char* target) {
        const std::string full = root_ + path;
        if (::unlink(full.c_str()) < 0 && errno != ENOENT) {
            note(fail_errno("unlink", full));
        } else if (::symlink(target, full.c_str()) < 0) {
            note(fail_errno("symlink", full));
        }
    }
    [[nodiscard]] Status finish() const { return status_; }

  private:
    void note(const Status& status) {
        if (!status && status_) {
            status_ = status;
        }
    }
    std::string root_;
    Status status_;
};

// Appends to each bundle that is there; the first one's text is the image's.
std::string write_bundles(Writer& writer, const std::string& pem) {
    std::string image;
    for (const char* path : kBundles) {
        std::string text = with_line_end(writer.read(path));
        if (text.empty()) {
            continue;
        }
        if (text.find(pem) == std::string::npos) {
            text += pem;
            writer.write(path, text);
        }
        if (image.empty()) {
            image = std::move(text);
        }
    }
    if (image.empty()) {
        image = pem;
        writer.write(kBundles[0], image);
    }
    return image;
}

}  // namespace

Status install_root_certificate(const std::string& root, const RootCertificate& certificate) {
    const std::string pem = with_line_end(std::string(certificate.pem));
    const std::vector<std::string> own = certificates_of(pem);
    if (own.empty()) {
        return fail("the root certificate is not PEM");
    }
    Writer writer(root);
    const std::string bundle = write_bundles(writer, pem);
    writer.write(kCaFile, pem);
    writer.write(kBundleFile, bundle);
    writer.write(kJavaStoreFile, java_key_store(certificates_of(bundle)));
    for (const Anchor& anchor : kAnchors) {
        if (writer.there(anchor.folder)) {
            writer.write(std::string(anchor.folder) + anchor.name, pem);
        }
    }
    const std::string hashed = kHashedFolder;
    if (writer.there(kHashedFolder)) {
        writer.write(hashed + "/anchorhold.pem", pem);
        if (is_hash(certificate.subject_hash)) {
            // .0 may be another's of the same subject: its own root of another installation.
            writer.link(hashed + "/" + std::string(certificate.subject_hash) + ".0",
                        "anchorhold.pem");
        }
    }
    if (!writer.there(kFirefoxPolicy)) {
        writer.write(kFirefoxPolicy, std::string(R"({"policies":{"Certificates":{"Install":[")") +
                                         kCaFile + "\"]}}}\n");
    }
    for (const char* path : kChromiumPolicies) {
        writer.write(path, "{\"CACertificates\":[\"" + base64(own.front()) + "\"]}\n");
    }
    return writer.finish();
}

std::vector<std::string> trust_environment() {
    std::vector<std::string> result;
    for (const Variable& variable : kVariables) {
        result.push_back(std::string(variable.name) + "=" + variable.value);
    }
    // Every JVM reads it, and says so on stderr; there is no quieter way to all of them.
    result.push_back(std::string("JAVA_TOOL_OPTIONS=-Djavax.net.ssl.trustStore=") + kJavaStoreFile +
                     " -Djavax.net.ssl.trustStoreType=JKS");
    return result;
}

}  // namespace anchorhold::guest_init
