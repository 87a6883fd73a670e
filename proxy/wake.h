// One coroutine that waits for one thing to be told.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace anchorhold::proxy {

namespace asio = boost::asio;

// A value handed to the coroutine that waits for it, on one thread. tell() before wait() is
// remembered. At most one waits, once; who tells holds a share, so that a coroutine that was
// destroyed or cancelled meanwhile does not matter. A cancelled wait yields Value().
template <typename Value>
class Wake : public std::enable_shared_from_this<Wake<Value>> {
  public:
    static std::shared_ptr<Wake> create() { return std::shared_ptr<Wake>(new Wake); }

    void tell(Value value) {
        if (resume_) {
            std::exchange(resume_, nullptr)(std::move(value));
        } else {
            told_ = std::make_unique<Value>(std::move(value));
        }
    }

    asio::awaitable<Value> wait() {
        const std::shared_ptr<Wake> self = this->shared_from_this();
        if (told_) {
            co_return std::move(*std::exchange(told_, nullptr));
        }
        // In a variable: g++ 12 destroys a temporary with members twice when it stands in co_await.
        auto begin = [self](auto handler) {
            auto shared = std::make_shared<decltype(handler)>(std::move(handler));
            if (auto slot = asio::get_associated_cancellation_slot(*shared); slot.is_connected()) {
                slot.assign([self](asio::cancellation_type) { self->tell(Value()); });
            }
            self->resume_ = [shared](Value value) {
                const auto executor = asio::get_associated_executor(*shared);
                asio::post(executor, [shared, held = std::move(value)]() mutable {
                    std::move (*shared)(std::move(held));
                });
            };
        };
        auto told = asio::async_initiate<const asio::use_awaitable_t<>, void(Value)>(
            std::move(begin), asio::use_awaitable);
        co_return co_await std::move(told);
    }

  private:
    Wake() = default;

    std::function<void(Value)> resume_;
    std::unique_ptr<Value> told_;
};

}  // namespace anchorhold::proxy
