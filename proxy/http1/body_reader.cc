// A state machine that keeps at most one line.
#include "proxy/http1/body_reader.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"

namespace anchorhold::proxy::http1 {
namespace {

constexpr size_t kMaxSizeLine = 256;
constexpr size_t kMaxTrailers = size_t{16} << 10;

}  // namespace

BodyReader::BodyReader(Framing framing, From from) : from_(from), left_(framing.length) {
    switch (framing.kind) {
        case Framing::Kind::none:
            state_ = State::done;
            break;
        case Framing::Kind::length:
            state_ = left_ == 0 ? State::done : State::length;
            break;
        case Framing::Kind::chunked:
            state_ = State::chunk_size;
            break;
        case Framing::Kind::until_close:
            state_ = State::until_close;
            break;
    }
}

Status BodyReader::take_chunk_size(std::string_view line) {
    const auto semicolon = line.find(';');
    if (semicolon != std::string_view::npos) {
        if (from_ == From::guest) {
            return fail("a chunk has an extension");
        }
        line = line.substr(0, semicolon);
        line = line.substr(0, line.find_last_not_of(" \t") + 1);
    }
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
    if (line.empty() || line.size() > 15 || error != std::errc() ||
        end != line.data() + line.size()) {
        return fail("a chunk's size is no hexadecimal number");
    }
    state_ = left_ == 0 ? State::trailers : State::chunk_data;
    return {};
}

Result<size_t> BodyReader::read(std::string_view bytes, std::string& body) {
    size_t consumed = 0;
    while (consumed < bytes.size() && state_ != State::done) {
        const std::string_view rest = bytes.substr(consumed);
        if (state_ == State::until_close) {
            body += rest;
            return bytes.size();
        }
        if (state_ == State::length || state_ == State::chunk_data) {
            const size_t part = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
            body += rest.substr(0, part);
            consumed += part;
            pass(part);
            continue;
        }
        const auto newline = rest.find('\n');
        const size_t part = newline == std::string_view::npos ? rest.size() : newline + 1;
        line_ += rest.substr(0, part);
        consumed += part;
        if (line_.size() > (state_ == State::trailers ? kMaxTrailers : kMaxSizeLine)) {
            return fail("a chunk's size line or the trailers are too long");
        }
        if (newline == std::string_view::npos) {
            break;
        }
        if (!line_.ends_with("\r\n")) {
            return fail("a line of the chunked coding does not end in CR LF");
        }
        if (state_ == State::trailers) {
            if (line_ == "\r\n" || line_.ends_with("\n\r\n")) {
                ANCHORHOLD_TRY(parse_trailers(line_).map(
                    [&](Fields&& fields) { trailers_ = std::move(fields); }));
                state_ = State::done;
                std::string().swap(line_);
            }
            continue;
        }
        const std::string line = std::exchange(line_, {});
        if (state_ == State::chunk_end) {
            if (line != "\r\n") {
                return fail("a chunk is longer than its size");
            }
            state_ = State::chunk_size;
        } else {
            ANCHORHOLD_TRY(take_chunk_size(std::string_view(line).substr(0, line.size() - 2)));
        }
    }
    return consumed;
}

void BodyReader::pass(uint64_t count) {
    ANCHORHOLD_CHECK(count <= plain_left());
    left_ -= count;
    if (left_ == 0) {
        state_ = state_ == State::length ? State::done : State::chunk_end;
    }
}

Status BodyReader::end_of_stream() {
    if (state_ == State::until_close) {
        state_ = State::done;
    }
    return state_ == State::done ? Status() : fail("the body was cut off");
}

std::string chunk_header(size_t size) {
    char digits[20];
    const auto [end, error] = std::to_chars(digits, digits + sizeof digits, size, 16);
    return std::string(digits, end) + "\r\n";
}

}  // namespace anchorhold::proxy::http1
