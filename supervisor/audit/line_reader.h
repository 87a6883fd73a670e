// A log file line by line, without trusting the length of any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::supervisor {

// No record is longer; a longer line is cut off there and comes in pieces that are no record.
constexpr size_t kMaxLine = 1 << 20;

class LineReader {
  public:
    // Reads `fd`, which stays the caller's, from `offset` on.
    explicit LineReader(int fd, uint64_t offset = 0) : fd_(fd), offset_(offset) {}

    struct Line {
        std::string_view text;  // without its newline; valid until the next call
        bool whole = true;      // false: the file ends without a newline
        uint64_t end = 0;       // offset in the file behind it
    };
    // nullopt: end of file. Called again, it finds what was appended since; a line that was not
    // whole then comes again.
    Result<std::optional<Line>> next();

  private:
    const int fd_;
    uint64_t offset_;  // of the byte behind buffer_
    std::string buffer_;
    size_t used_ = 0;
};

}  // namespace anchorhold::supervisor
