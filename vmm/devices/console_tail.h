// The last lines the guest kernel printed, kept for the moment it dies.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace anchorhold::vmm {

constexpr size_t kConsoleTailSize = 2048;

// A ring of the last kConsoleTailSize bytes; costs nothing until the first one. Guest bytes: escape
// before printing.
class ConsoleTail {
  public:
    // Hears every whole line, with its newline, and pieces of lines longer than kMaxLine.
    using LineSink = std::function<void(std::string_view)>;
    static constexpr size_t kMaxLine = 1024;

    explicit ConsoleTail(LineSink sink = nullptr) : sink_(std::move(sink)) {}

    void append(char byte);
    // What the ring holds, oldest byte first.
    [[nodiscard]] std::string text() const;

  private:
    LineSink sink_;
    std::string line_;  // not yet given to the sink
    std::unique_ptr<std::array<char, kConsoleTailSize>> ring_;
    size_t written_ = 0;  // in all
};

// The line of `console` that reports a kernel panic, without what precedes "Kernel panic"; empty
// when there is none.
std::string_view panic_line(std::string_view console);

}  // namespace anchorhold::vmm
