// Answers as the two APIs document them, cut down to what their SDKs insist on.
#include "vm/model_upstream.h"

#include <cstdio>

namespace anchorhold::vm_test {
namespace {

using window_test::ByteStream;
using window_test::Received;

// https://docs.anthropic.com/en/api/messages and …/messages-streaming
std::string anthropic_message(const std::string& content, const std::string& stop_reason) {
    return R"({"id":"msg_01","type":"message","role":"assistant","model":"claude-opus-4-1",)"
           R"("content":[)" +
           content + R"(],"stop_reason":)" + stop_reason +
           R"(,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}})";
}

std::string anthropic_event(const std::string& type, const std::string& fields) {
    return "event: " + type + "\ndata: {\"type\":\"" + type + "\"" + fields + "}\n\n";
}

std::string anthropic_word(const std::string& word) {
    return anthropic_event("content_block_delta",
                           R"(,"index":0,"delta":{"type":"text_delta","text":")" + word + "\"}");
}

// https://platform.openai.com/docs/api-reference/chat
constexpr const char* kOpenaiCompletion =
    R"({"id":"chatcmpl-1","object":"chat.completion","created":1750000000,"model":"gpt-4.1",)"
    R"("choices":[{"index":0,"message":{"role":"assistant","content":"whole","refusal":null},)"
    R"("logprobs":null,"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}})";

std::string openai_chunk(const std::string& delta, const std::string& finish_reason) {
    return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1750000000,)"
           R"("model":"gpt-4.1","choices":[{"index":0,"delta":)" +
           delta + R"(,"finish_reason":)" + finish_reason + "}]}\n\n";
}

std::string openai_word(const std::string& word) {
    return openai_chunk("{\"content\":\"" + word + "\"}", "null");
}

// RFC 9112 §7.1
bool write_chunk(ByteStream& stream, const std::string& bytes) {
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    return stream.write(size + bytes + "\r\n");
}

bool answer_json(ByteStream& stream, const std::string& body) {
    return stream.write(window_test::ok_answer(body, "content-type: application/json\r\n"));
}

}  // namespace

ModelUpstream::ModelUpstream()
    : server_([this](const Received& request, ByteStream& stream) {
          return answer(request, stream);
      }) {}

ModelUpstream::~ModelUpstream() {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
}

const std::vector<std::string>& ModelUpstream::words() {
    static const std::vector<std::string> words = {"one", "two", "three"};
    return words;
}

void ModelUpstream::send_next() {
    const std::lock_guard lock(mutex_);
    ++turns_;
    changed_.notify_all();
}

void ModelUpstream::wait_for_turn() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return turns_ > 0 || leaving_; });
    turns_ -= turns_ > 0 ? 1 : 0;
}

bool ModelUpstream::answer(const Received& request, ByteStream& stream) {
    const bool streamed = request.body.find("\"stream\":true") != std::string::npos ||
                          request.body.find("\"stream\": true") != std::string::npos;
    if (request.head.starts_with("POST /v1/messages ")) {
        return streamed
                   ? stream_words(
                         {anthropic_event("message_start",
                                          ",\"message\":" + anthropic_message("", "null")),
                          anthropic_event("content_block_start", R"(,"index":0,"content_block":)"
                                                                 R"({"type":"text","text":""})"),
                          anthropic_event("ping", "")},
                         {anthropic_event("content_block_stop", ",\"index\":0"),
                          anthropic_event("message_delta", R"(,"delta":{"stop_reason":"end_turn",)"
                                                           R"("stop_sequence":null},"usage":)"
                                                           R"({"output_tokens":3})"),
                          anthropic_event("message_stop", "")},
                         anthropic_word, stream)
                   : answer_json(stream, anthropic_message(R"({"type":"text","text":"whole"})",
                                                           "\"end_turn\""));
    }
    if (request.head.starts_with("POST /v1/chat/completions ")) {
        return streamed
                   ? stream_words({openai_chunk(R"({"role":"assistant","content":""})", "null")},
                                  {openai_chunk("{}", "\"stop\""), "data: [DONE]\n\n"}, openai_word,
                                  stream)
                   : answer_json(stream, kOpenaiCompletion);
    }
    return stream.write("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
}

bool ModelUpstream::stream_words(const std::vector<std::string>& before,
                                 const std::vector<std::string>& after,
                                 std::string (*event)(const std::string& word),
                                 ByteStream& stream) {
    bool alive = stream.write(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        "cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n");
    for (const std::string& text : before) {
        alive = alive && write_chunk(stream, text);
    }
    for (const std::string& word : words()) {
        if (&word != &words().front()) {
            wait_for_turn();
        }
        alive = alive && write_chunk(stream, event(word));
    }
    wait_for_turn();
    for (const std::string& text : after) {
        alive = alive && write_chunk(stream, text);
    }
    return alive && stream.write("0\r\n\r\n");
}

}  // namespace anchorhold::vm_test
