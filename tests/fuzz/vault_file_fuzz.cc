// Any bytes as an encrypted file: a stream sealed with the right key, a body behind the right
// header, or all of it. Refused with nothing left, or a file that encrypts to the same data again.
#include <algorithm>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/sys.h"
#include "vault/chunk_stream.h"
#include "vault/vault.h"

namespace {

using namespace anchorhold;
using namespace anchorhold::vault;

OwnFd empty_file() {
    auto file = sys::memfd("file", 0);
    ANCHORHOLD_CHECK(file.has_value());
    return std::move(*file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr std::array<uint8_t, kKeyBytes> kKey{1, 2, 3};
    const Key key(kKey);
    const Context context{.kind = FileKind::kDisk, .sandbox = "box", .generation = 1};
    FileCipher cipher(key, context, FileCipher::Salt{});
    auto bytes = std::as_bytes(std::span(data, size));
    const char mode = size > 0 ? static_cast<char>(data[0]) : '\0';
    const OwnFd file = empty_file();
    if (mode == 'p') {
        ChunkWriter out(file.get(), cipher);
        ANCHORHOLD_CHECK(out.write(bytes.subspan(1)).has_value() && out.finish().has_value());
    } else {
        if (mode == 'h') {
            ANCHORHOLD_CHECK(sys::write_all(file.get(), cipher.header()).has_value());
            bytes = bytes.subspan(1);
        }
        ANCHORHOLD_CHECK(sys::write_all(file.get(), bytes).has_value());
    }
    const OwnFd target = empty_file();
    const Status done = decrypt(file.get(), target.get(), key, context);
    const uint64_t target_bytes = sys::file_size(target.get(), "target").value();
    if (!done) {
        ANCHORHOLD_CHECK(target_bytes == 0 && !done.error().message.empty());
        ANCHORHOLD_CHECK(std::ranges::all_of(done.error().message,
                                             [](char c) { return c >= 0x20 && c <= 0x7e; }));
        return 0;
    }
    ANCHORHOLD_CHECK(mode == 'p' && target_bytes <= kMaxFileBytes);
    const OwnFd again = empty_file();
    ANCHORHOLD_CHECK(encrypt(target.get(), again.get(), key, context).has_value());
    return 0;
}
