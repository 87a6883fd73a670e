// Bytes on their way from one connection to the other; nothing allocated while there are none.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace anchorhold::proxy::http2 {

class ByteQueue {
  public:
    [[nodiscard]] size_t size() const { return bytes_.size() - taken_; }
    [[nodiscard]] bool empty() const { return size() == 0; }

    void append(std::string piece) {
        if (empty()) {
            bytes_ = std::move(piece);
            taken_ = 0;
        } else {
            compact();
            bytes_ += piece;
        }
    }
    // At most size() of them, until the next call.
    [[nodiscard]] std::string_view front(size_t count) const {
        return std::string_view(bytes_).substr(taken_, count);
    }
    void pop(size_t count) {
        taken_ += count;
        if (empty()) {
            clear();
        }
    }
    void clear() {
        std::string().swap(bytes_);
        taken_ = 0;
    }
    // All of it.
    std::string take() {
        bytes_.erase(0, std::exchange(taken_, 0));
        return std::exchange(bytes_, {});
    }

  private:
    void compact() {
        if (taken_ >= bytes_.size() / 2) {
            bytes_.erase(0, taken_);
            taken_ = 0;
        }
    }

    std::string bytes_;
    size_t taken_ = 0;
};

}  // namespace anchorhold::proxy::http2
