// Big-endian fields; sun.security.provider.JavaKeyStore in OpenJDK is the format's only
// specification.
#include "guest-init/trust/java_key_store.h"

#include <cstdint>
#include <string_view>

#include "guest-init/trust/sha1.h"

namespace anchorhold::guest_init {
namespace {

constexpr uint32_t kMagic = 0xfeedfeed;
constexpr uint32_t kVersion = 2;
constexpr uint32_t kTrustedCertificate = 2;
constexpr std::string_view kPassword = "changeit";
// What the checksum begins with, after the password.
constexpr std::string_view kWhitener = "Mighty Aphrodite";

template <typename Number>
void put(std::string& out, Number value) {
    for (size_t i = sizeof value; i-- > 0;) {
        out.push_back(static_cast<char>(value >> (8 * i)));
    }
}
// java.io.DataOutput.writeUTF, of ASCII.
void put_text(std::string& out, std::string_view text) {
    put(out, static_cast<uint16_t>(text.size()));
    out += text;
}

}  // namespace

std::string java_key_store(std::span<const std::string> certificates) {
    std::string store;
    put(store, kMagic);
    put(store, kVersion);
    put(store, static_cast<uint32_t>(certificates.size()));
    for (size_t i = 0; i < certificates.size(); ++i) {
        put(store, kTrustedCertificate);
        put_text(store, "ca-" + std::to_string(i));
        put(store, uint64_t{0});  // when it was added, in milliseconds of 1970
        put_text(store, "X.509");
        put(store, static_cast<uint32_t>(certificates[i].size()));
        store += certificates[i];
    }
    std::string checked;
    checked.reserve(2 * kPassword.size() + kWhitener.size() + store.size());
    for (const char c : kPassword) {
        put(checked, static_cast<uint16_t>(c));
    }
    checked += kWhitener;
    checked += store;
    const auto digest = sha1(checked);
    store.append(reinterpret_cast<const char*>(digest.data()), digest.size());
    return store;
}

}  // namespace anchorhold::guest_init
