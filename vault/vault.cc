// Sparse files as streams of pieces.
#include "vault/vault.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/endian.h"
#include "base/sys.h"
#include "snapshot/file_io.h"
#include "vault/chunk_stream.h"

namespace anchorhold::vault {
namespace {

struct Piece {
    Le64 offset;
    Le64 length;  // 0: the end, and offset is the file's size
};
static_assert(sizeof(Piece) == 16);

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}
template <typename T>
std::span<std::byte> bytes_of(T& value) {
    return std::as_writable_bytes(std::span(&value, 1));
}

Status copy_piece(int source, snapshot::Extent data, ChunkWriter& out,
                  std::span<std::byte> buffer) {
    ANCHORHOLD_TRY(out.write(bytes_of(Piece{data.begin, data.end - data.begin})));
    for (uint64_t at = data.begin; at < data.end;) {
        const auto part = buffer.first(std::min<uint64_t>(buffer.size(), data.end - at));
        ANCHORHOLD_TRY(sys::read_exact_at(source, part, at, "file to encrypt"));
        ANCHORHOLD_TRY(out.write(part));
        at += part.size();
    }
    return {};
}

Status write_stream(int source, ChunkWriter& out) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(source, "file to encrypt"));
    if (bytes > kMaxFileBytes) {
        return fail(fmt::format("file to encrypt: {} bytes, the most is {}", bytes, kMaxFileBytes));
    }
    std::vector<std::byte> buffer(kChunkBytes);
    ANCHORHOLD_TRY(out.write(bytes_of(Le64(bytes))));
    Status copied;
    for (uint64_t at = 0; at < bytes && copied;) {
        const auto data = ANCHORHOLD_TRY(snapshot::next_data(source, at, bytes, "file to encrypt"));
        if (!data) {
            break;
        }
        if (data->begin < data->end) {
            copied = copy_piece(source, *data, out, buffer);
        }
        at = data->end;
    }
    ::OPENSSL_cleanse(buffer.data(), buffer.size());
    ANCHORHOLD_TRY(std::move(copied));
    ANCHORHOLD_TRY(out.write(bytes_of(Piece{bytes, 0})));
    return out.finish();
}

// What is inside was written by us, with the key: this bounds mistakes rather than malice.
Status read_stream(ChunkReader& in, int target) {
    Le64 size;
    ANCHORHOLD_TRY(in.read(bytes_of(size)));
    const uint64_t bytes = size;
    if (bytes > kMaxFileBytes) {
        return fail(
            fmt::format("encrypted file: holds {} bytes, the most is {}", bytes, kMaxFileBytes));
    }
    if (::ftruncate(target, static_cast<off_t>(bytes)) < 0) {
        return fail_errno("ftruncate", "decrypted file");
    }
    for (uint64_t end = 0;;) {
        Piece piece;
        ANCHORHOLD_TRY(in.read(bytes_of(piece)));
        uint64_t at = piece.offset;
        if (at < end || at > bytes || piece.length > bytes - at) {
            return fail("encrypted file: its pieces are out of order");
        }
        if (piece.length == 0) {
            return at == bytes && in.at_end()
                       ? Status()
                       : Status(fail("encrypted file: its end is not where it should be"));
        }
        for (end = at + piece.length; at < end;) {
            const auto part = ANCHORHOLD_TRY(in.next(end - at));
            ANCHORHOLD_TRY(snapshot::write_at(target, part, at, "decrypted file"));
            at += part.size();
        }
    }
}

// Half a file is none.
Status or_empty(Status done, int target) {
    if (!done && ::ftruncate(target, 0) < 0) {
        return fail(
            done.error().message + "; and what was written cannot be removed: " + errno_text(errno),
            done.error().code);
    }
    return done;
}

Status decrypt_file(int source, int target, const Key& key, const Context& context) {
    const uint64_t bytes = ANCHORHOLD_TRY(sys::file_size(source, "encrypted file"));
    std::string header(std::min<uint64_t>(bytes, kHeaderBytes), '\0');
    ANCHORHOLD_TRY(
        sys::read_exact_at(source, std::as_writable_bytes(std::span(header)), 0, "encrypted file"));
    FileCipher cipher = ANCHORHOLD_TRY(FileCipher::open(header, key, context));
    ChunkReader in(source, bytes, cipher);
    return read_stream(in, target);
}

}  // namespace

Status encrypt(int source, int target, const Key& key, const Context& context) {
    FileCipher cipher(key, context, FileCipher::random_salt());
    ChunkWriter out(target, cipher);
    return or_empty(write_stream(source, out), target);
}

Status decrypt(int source, int target, const Key& key, const Context& context) {
    return or_empty(decrypt_file(source, target, key, context), target);
}

}  // namespace anchorhold::vault
