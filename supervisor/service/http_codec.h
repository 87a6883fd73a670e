// HTTP/1.1 messages in and out of byte strings (RFC 9112), with hard bounds and no I/O. The only
// place that knows Boost.Beast is http_codec.cc.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace anchorhold::service {

constexpr size_t kMaxHead = size_t{8} << 10;    // bytes of a request's or an answer's head
constexpr size_t kMaxBody = size_t{256} << 10;  // of a request
constexpr size_t kMaxAnswerBody = size_t{16} << 20;

struct HttpRequest {
    std::string method;
    std::string target;  // as it was sent
    std::string body;
    bool keep_alive = true;
};

struct HttpAnswer {
    int status = 0;
    std::map<std::string, std::string> fields;  // names in lower case; of equal ones the last
    std::string body;
};

// Requests out of the bytes of one connection.
class RequestReader {
  public:
    RequestReader();
    ~RequestReader();
    RequestReader(const RequestReader&) = delete;
    RequestReader& operator=(const RequestReader&) = delete;

    // An error's code is the HTTP status to answer with (400, 413, 431); the connection ends then.
    Status feed(std::string_view bytes);
    // The next whole request; nullopt when more must arrive first.
    Result<std::optional<HttpRequest>> next();
    // True once for a request that waits for "100 Continue" before it sends its body.
    [[nodiscard]] bool wants_continue();
    // Part of a request is here.
    [[nodiscard]] bool within_request() const;

  private:
    struct Parser;
    Status parse();
    std::unique_ptr<Parser> parser_;
    std::string unread_;
};

// One answer out of the bytes of a connection.
class AnswerReader {
  public:
    AnswerReader();
    ~AnswerReader();
    AnswerReader(const AnswerReader&) = delete;
    AnswerReader& operator=(const AnswerReader&) = delete;

    // The answer when it is whole; nullopt when more must arrive first. A 101 is whole after its
    // head; what follows belongs to another protocol and is dropped here.
    Result<std::optional<HttpAnswer>> feed(std::string_view bytes);

  private:
    struct Parser;
    std::unique_ptr<Parser> parser_;
    std::string unread_;
};

enum class Persistence { keep_alive, close };

// The head of an answer with a body of `length` bytes; `extra_fields` are whole lines. A 101 has
// neither a length nor a content type.
[[nodiscard]] std::string answer_head(int status, std::string_view content_type, size_t length,
                                      Persistence persistence, std::string_view extra_fields = {});

// A request with a JSON body, or without one where it is empty.
[[nodiscard]] std::string request_text(std::string_view method, std::string_view target,
                                       std::string_view body);

}  // namespace anchorhold::service
