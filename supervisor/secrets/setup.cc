// Protobuf's encoding of `repeated Secret secrets`, by hand: a message object would hold copies on
// the heap. Parts of a message may follow one another in any order (Protocol Buffers, "Encoding").
#include "supervisor/secrets/setup.h"

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/check.h"

namespace anchorhold::supervisor {

namespace {

constexpr uint32_t kLengthDelimited = 2;
constexpr uint32_t kSecretsField = proto::ProxySetup::kSecretsFieldNumber;

constexpr uint64_t tag(uint32_t field) {
    return (uint64_t{field} << 3) | kLengthDelimited;
}

size_t varint_size(uint64_t value) {
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) {
        ++size;
    }
    return size;
}

size_t text_size(uint32_t field, std::string_view text) {
    return varint_size(tag(field)) + varint_size(text.size()) + text.size();
}

size_t secret_size(const proxy::StoredSecret& secret) {
    return text_size(proto::Secret::kNameFieldNumber, secret.name) +
           text_size(proto::Secret::kValueFieldNumber, secret.value) +
           text_size(proto::Secret::kPlaceholderFieldNumber, secret.placeholder);
}

class Writer {
  public:
    explicit Writer(std::span<char> out) : out_(out) {}
    void varint(uint64_t value) {
        for (; value >= 0x80; value >>= 7) {
            byte(static_cast<char>((value & 0x7f) | 0x80));
        }
        byte(static_cast<char>(value));
    }
    void text(uint32_t field, std::string_view text) {
        varint(tag(field));
        varint(text.size());
        std::ranges::for_each(text, [this](char one) { byte(one); });
    }
    [[nodiscard]] size_t written() const { return at_; }

  private:
    void byte(char value) { out_[at_++] = value; }
    std::span<char> out_;
    size_t at_ = 0;
};

}  // namespace

Result<EncodedSetup> encode_setup(const proto::ProxySetup& setup,
                                  const proxy::SecretStore& secrets) {
    const size_t plain = setup.ByteSizeLong();
    size_t size = plain;
    for (const auto& secret : secrets.all()) {
        const size_t inner = secret_size(*secret);
        size += varint_size(tag(kSecretsField)) + varint_size(inner) + inner;
    }
    EncodedSetup encoded{ANCHORHOLD_TRY(proxy::LockedMemory::allocate(size)), size};
    const std::span<char> bytes = encoded.memory.bytes().first(size);
    if (!setup.SerializeToArray(bytes.data(), static_cast<int>(plain))) {
        return fail("the proxy's setup cannot be written as a message");
    }
    Writer writer(bytes.subspan(plain));
    for (const auto& secret : secrets.all()) {
        writer.varint(tag(kSecretsField));
        writer.varint(secret_size(*secret));
        writer.text(proto::Secret::kNameFieldNumber, secret->name);
        writer.text(proto::Secret::kValueFieldNumber, secret->value);
        writer.text(proto::Secret::kPlaceholderFieldNumber, secret->placeholder);
    }
    ANCHORHOLD_CHECK(plain + writer.written() == size);
    return encoded;
}

}  // namespace anchorhold::supervisor
