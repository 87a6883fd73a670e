// One chunk or trailer line at a time, out of a buffer.
#include "proxy/credentials/aws_chunks.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace anchorhold::proxy {

namespace {

constexpr std::string_view kSignature = ";chunk-signature=";
constexpr std::string_view kTrailerSignature = "x-amz-trailer-signature:";
constexpr size_t kMaxLine = 128;
constexpr size_t kMaxTrailers = 4096;
constexpr size_t kSignatureSize = 64;

bool is_signature(std::string_view text) {
    return text.size() == kSignatureSize &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

AwsChunkSigner::AwsChunkSigner(AwsSigningKey key, std::string date_time, std::string scope,
                               std::string seed, AwsTrailer trailer)
    : key_(std::move(key)),
      date_time_(std::move(date_time)),
      scope_(std::move(scope)),
      previous_(std::move(seed)),
      trailer_(trailer) {}

std::string AwsChunkSigner::sign_chunk(std::string_view data) {
    previous_ = key_.sign("AWS4-HMAC-SHA256-PAYLOAD\n" + date_time_ + "\n" + scope_ + "\n" +
                          previous_ + "\n" + sha256_hex({}) + "\n" + sha256_hex(data));
    return previous_;
}

std::string AwsChunkSigner::sign_trailer() {
    previous_ = key_.sign("AWS4-HMAC-SHA256-TRAILER\n" + date_time_ + "\n" + scope_ + "\n" +
                          previous_ + "\n" + sha256_hex(trailers_));
    return previous_;
}

Result<bool> AwsChunkSigner::take_chunk(std::string& out) {
    const std::string_view rest = std::string_view(held_).substr(used_);
    const size_t line_end = rest.substr(0, kMaxLine).find("\r\n");
    if (line_end == std::string_view::npos) {
        return rest.size() < kMaxLine ? Result<bool>(false)
                                      : fail("a chunk's first line is longer than any");
    }
    const std::string_view line = rest.substr(0, line_end);
    const size_t digits = std::min(line.find(kSignature), line.size());
    size_t size = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + digits, size, 16);
    if (digits == 0 || error != std::errc() || end != line.data() + digits ||
        !is_signature(line.substr(std::min(digits + kSignature.size(), line.size())))) {
        return fail("a chunk's first line is not SIZE;chunk-signature=SIGNATURE");
    }
    if (size > kMaxChunk) {
        return fail("a signed chunk is over 1 MiB; set a smaller chunk size in the client");
    }
    const size_t data_start = line_end + 2;
    const bool last = size == 0;
    const bool trailers = last && trailer_ == AwsTrailer::signed_;
    const size_t whole = data_start + size + (trailers ? 0 : 2);
    if (rest.size() < whole) {
        return false;
    }
    const std::string_view data = rest.substr(data_start, size);
    if (!trailers && rest.substr(data_start + size, 2) != "\r\n") {
        return fail("a chunk does not end where its size says");
    }
    out.append(line.substr(0, digits)).append(kSignature).append(sign_chunk(data)).append("\r\n");
    out.append(rest.substr(data_start, whole - data_start));
    used_ += whole;
    if (last) {
        where_ = trailers ? Where::trailer : Where::end;
    }
    return true;
}

// Lines end in CRLF; some clients end the signed ones in LF and put an empty line before the
// signature.
Result<bool> AwsChunkSigner::take_trailer_line(std::string& out) {
    const std::string_view rest = std::string_view(held_).substr(used_);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos || trailers_.size() > kMaxTrailers) {
        return rest.size() + trailers_.size() < kMaxTrailers
                   ? Result<bool>(false)
                   : fail("the trailers are longer than 4 KiB");
    }
    std::string_view line = rest.substr(0, end);
    const std::string_view line_end = line.ends_with('\r') ? "\r\n" : "\n";
    line.remove_suffix(line_end.size() - 1);
    if (line.starts_with(kTrailerSignature)) {
        if (trailer_signed_ || !is_signature(line.substr(kTrailerSignature.size()))) {
            return fail("the trailers' signature is broken");
        }
        trailer_signed_ = true;
        out.append(kTrailerSignature).append(sign_trailer()).append(line_end);
    } else if (line.empty()) {
        out.append(line_end);
        where_ = trailer_signed_ ? Where::end : where_;
    } else {
        const size_t colon = line.find(':');
        if (trailer_signed_ || colon == 0 || colon == std::string_view::npos) {
            return fail("a trailer is not NAME:VALUE before the signature");
        }
        std::string name(line.substr(0, colon));
        std::ranges::transform(name, name.begin(), [](char byte) {
            return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
        });
        std::string_view value = line.substr(colon + 1);
        value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
        value = value.substr(0, value.find_last_not_of(' ') + 1);
        trailers_.append(name).append(":").append(value).append("\n");
        out.append(line).append(line_end);
    }
    used_ += end + 1;
    return true;
}

Status AwsChunkSigner::piece(std::string& bytes) {
    held_ += bytes;
    bytes.clear();
    for (bool more = true; more && used_ < held_.size();) {
        switch (where_) {
            case Where::chunk:
                more = ANCHORHOLD_TRY(take_chunk(bytes));
                break;
            case Where::trailer:
                more = ANCHORHOLD_TRY(take_trailer_line(bytes));
                break;
            case Where::end:
                return fail("there are bytes after the last chunk");
        }
    }
    held_.erase(0, std::exchange(used_, 0));
    return {};
}

Status AwsChunkSigner::finish() const {
    return where_ == Where::end && held_.empty() ? Status{}
                                                 : fail("the body ends before its last chunk");
}

}  // namespace anchorhold::proxy
