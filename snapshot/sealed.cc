// Header out, header in.
#include "snapshot/sealed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/endian.h"
#include "base/sys.h"
#include "snapshot/checksum.h"

namespace anchorhold::snapshot {
namespace {

struct Header {
    Le64 magic;
    Le32 version;
    Le32 kind;
    Le64 payload_bytes;
    Le64 payload_digest_low;
    Le64 payload_digest_high;
    Le64 header_checksum;  // of the fields above
};
static_assert(sizeof(Header) == kSealedHeaderSize);

constexpr uint64_t kMagic = 0x656c'6966'7061'6e73;  // "snapfile"
constexpr size_t kCheckedHeader = sizeof(Header) - sizeof(Le64);

std::string_view bytes_of(const Header& header) {
    return {reinterpret_cast<const char*>(&header), sizeof header};
}

const char* kind_name(Kind kind) {
    switch (kind) {
        case Kind::kState:
            return "machine state";
        case Kind::kWorkingSet:
            return "working set";
        case Kind::kMemoryDigests:
            return "table of memory digests";
        case Kind::kCompressedMemory:
            return "compressed memory file";
    }
    return "file of unknown kind";
}

tl::unexpected<Error> refuse(const Format& format, const std::string& why) {
    return fail(fmt::format("{}: {}", kind_name(format.kind), why));
}

// A header that is whole and ours.
Result<Header> open_header(const Format& format, std::string_view file) {
    Header header;
    if (file.size() < sizeof header) {
        return refuse(format, fmt::format("shorter than its header: {} of {} bytes", file.size(),
                                          sizeof header));
    }
    std::memcpy(&header, file.data(), sizeof header);
    if (header.magic != kMagic) {
        return refuse(format, "not a file of a snapshot");
    }
    if (header.header_checksum != checksum(bytes_of(header).substr(0, kCheckedHeader))) {
        return refuse(format, "damaged: its header's checksum does not match");
    }
    if (const Kind kind{static_cast<uint32_t>(header.kind)}; kind != format.kind) {
        return refuse(format, fmt::format("is a {}", kind_name(kind)));
    }
    if (header.version != format.version) {
        return refuse(format, fmt::format("version {} of the format, this build reads version {}",
                                          static_cast<uint32_t>(header.version), format.version));
    }
    if (header.payload_bytes > format.max_payload) {
        return refuse(format,
                      fmt::format("says it holds {} bytes, the most is {}",
                                  static_cast<uint64_t>(header.payload_bytes), format.max_payload));
    }
    return header;
}

Status check_payload(const Format& format, const Header& header, std::string_view payload) {
    if (payload.size() < header.payload_bytes) {
        return refuse(format,
                      fmt::format("cut off: has {} of {} bytes", sizeof header + payload.size(),
                                  sizeof header + header.payload_bytes));
    }
    if (payload.size() > header.payload_bytes) {
        return refuse(
            format, fmt::format("{} bytes behind its end", payload.size() - header.payload_bytes));
    }
    if (digest(payload) != Digest{header.payload_digest_low, header.payload_digest_high}) {
        return refuse(format, "damaged: its payload's checksum does not match");
    }
    return {};
}

enum class Behind : uint8_t { kNothing, kOthers };

Result<std::string> read(const Format& format, int fd, Behind behind) {
    const uint64_t size = ANCHORHOLD_TRY(sys::file_size(fd, kind_name(format.kind)));
    const auto read_at = [&](uint64_t offset, uint64_t bytes) -> Result<std::string> {
        std::string part(bytes, '\0');
        ANCHORHOLD_TRY(sys::read_exact_at(fd, std::as_writable_bytes(std::span(part)), offset,
                                          kind_name(format.kind)));
        return part;
    };
    const std::string head = ANCHORHOLD_TRY(read_at(0, std::min<uint64_t>(size, sizeof(Header))));
    const Header header = ANCHORHOLD_TRY(open_header(format, head));
    // The length is checked before a byte of the payload is read or has memory.
    const uint64_t behind_header = size - sizeof header;
    const uint64_t payload_bytes = header.payload_bytes;
    if (behind == Behind::kNothing && behind_header > payload_bytes) {
        return refuse(format,
                      fmt::format("{} bytes behind its end", behind_header - payload_bytes));
    }
    std::string payload =
        ANCHORHOLD_TRY(read_at(sizeof header, std::min(behind_header, payload_bytes)));
    ANCHORHOLD_TRY(check_payload(format, header, payload));
    return payload;
}

}  // namespace

std::string seal_payload(const Format& format, std::string_view payload) {
    ANCHORHOLD_CHECK(payload.size() <= format.max_payload);
    const Digest sum = digest(payload);
    Header header{kMagic,
                  format.version,
                  static_cast<uint32_t>(format.kind),
                  payload.size(),
                  sum.low,
                  sum.high,
                  {}};
    header.header_checksum = checksum(bytes_of(header).substr(0, kCheckedHeader));
    std::string file(bytes_of(header));
    file += payload;
    return file;
}

Result<std::string_view> open_sealed(const Format& format, std::string_view file) {
    const Header header = ANCHORHOLD_TRY(open_header(format, file));
    const std::string_view payload = file.substr(sizeof header);
    ANCHORHOLD_TRY(check_payload(format, header, payload));
    return payload;
}

Result<std::string> read_sealed(const Format& format, int fd) {
    return read(format, fd, Behind::kNothing);
}

Result<std::string> read_sealed_head(const Format& format, int fd) {
    return read(format, fd, Behind::kOthers);
}

}  // namespace anchorhold::snapshot
