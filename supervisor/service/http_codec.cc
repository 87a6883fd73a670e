// Beast parses; heads are written here, from words of our own.
#include "supervisor/service/http_codec.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace anchorhold::service {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

std::string text(boost::beast::string_view view) {
    return {view.data(), view.size()};
}

int status_for(const error_code& error) {
    if (error == http::error::body_limit) {
        return 413;
    }
    if (error == http::error::header_limit) {
        return 431;
    }
    return 400;
}

// Feeds what is unread until the parser wants more or is done.
template <typename Parser>
error_code put_all(Parser& parser, std::string& unread) {
    error_code error;
    size_t used = 0;
    while (!parser.is_done() && used < unread.size()) {
        const size_t count =
            parser.put(boost::asio::buffer(unread.data() + used, unread.size() - used), error);
        used += count;
        if (error == http::error::need_more) {
            error = {};
            break;
        }
        if (error || count == 0) {
            break;
        }
    }
    unread.erase(0, used);
    return error;
}

}  // namespace

struct RequestReader::Parser {
    Parser() {
        parser.header_limit(kMaxHead);
        parser.body_limit(kMaxBody);
        parser.eager(true);
    }
    http::request_parser<http::string_body> parser;
    bool continue_told = false;
};

RequestReader::RequestReader() : parser_(std::make_unique<Parser>()) {}
RequestReader::~RequestReader() = default;

Status RequestReader::feed(std::string_view bytes) {
    unread_.append(bytes);
    return parse();
}

Status RequestReader::parse() {
    // The parser looks at what has a whole head only, and bounds only what it looked at.
    const error_code error = put_all(parser_->parser, unread_);
    if (error) {
        return fail("the request cannot be read: " + error.message(), status_for(error));
    }
    if (!parser_->parser.is_header_done() && unread_.size() > kMaxHead) {
        return fail(fmt::format("the request's head is longer than {} bytes", kMaxHead), 431);
    }
    return {};
}

Result<std::optional<HttpRequest>> RequestReader::next() {
    if (!parser_->parser.is_done()) {
        return std::optional<HttpRequest>();
    }
    auto message = parser_->parser.release();
    parser_ = std::make_unique<Parser>();
    HttpRequest request;
    request.method = text(message.method_string());
    request.target = text(message.target());
    request.keep_alive = message.keep_alive();
    request.body = std::move(message.body());
    ANCHORHOLD_TRY(parse());
    return std::optional<HttpRequest>(std::move(request));
}

bool RequestReader::wants_continue() {
    const auto& parser = parser_->parser;
    if (!parser.is_header_done() || parser.is_done() || parser_->continue_told) {
        return false;
    }
    const auto expect = parser.get().find(http::field::expect);
    parser_->continue_told = true;
    return expect != parser.get().end() && boost::beast::iequals(expect->value(), "100-continue");
}

bool RequestReader::within_request() const {
    return !unread_.empty() || parser_->parser.got_some();
}

struct AnswerReader::Parser {
    Parser() {
        parser.header_limit(kMaxHead);
        parser.body_limit(kMaxAnswerBody);
        parser.eager(true);
    }
    http::response_parser<http::string_body> parser;
};

AnswerReader::AnswerReader() : parser_(std::make_unique<Parser>()) {}
AnswerReader::~AnswerReader() = default;

Result<std::optional<HttpAnswer>> AnswerReader::feed(std::string_view bytes) {
    unread_.append(bytes);
    auto& parser = parser_->parser;
    const error_code error = put_all(parser, unread_);
    if (error) {
        return fail("the service's answer cannot be read: " + error.message());
    }
    const bool switched = parser.is_header_done() && parser.get().result_int() == 101;
    if (!parser.is_done() && !switched) {
        return std::optional<HttpAnswer>();
    }
    auto message = parser.release();
    if (message.result_int() == 100) {  // the answer proper follows
        parser_ = std::make_unique<Parser>();
        return feed({});
    }
    HttpAnswer answer;
    answer.status = static_cast<int>(message.result_int());
    for (const auto& field : message) {
        std::string name = text(field.name_string());
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        answer.fields[std::move(name)] = text(field.value());
    }
    answer.body = std::move(message.body());
    return std::optional<HttpAnswer>(std::move(answer));
}

std::string answer_head(int status, std::string_view content_type, size_t length,
                        Persistence persistence, std::string_view extra_fields) {
    const std::string reason = text(http::obsolete_reason(static_cast<http::status>(status)));
    if (status == 101) {
        return fmt::format("HTTP/1.1 101 {}\r\nConnection: upgrade\r\n{}\r\n", reason,
                           extra_fields);
    }
    return fmt::format(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: "
        "no-store\r\n{}{}\r\n",
        status, reason, content_type, length,
        persistence == Persistence::close ? "Connection: close\r\n" : "", extra_fields);
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body) {
    std::string result = fmt::format("{} {} HTTP/1.1\r\nHost: anchorhold\r\n", method, target);
    if (!body.empty() || method == "POST" || method == "PUT") {
        result +=
            fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", body.size());
    }
    result += "\r\n";
    return result.append(body);
}

}  // namespace anchorhold::service
