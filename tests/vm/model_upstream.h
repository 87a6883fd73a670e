// A stand-in for Anthropic's and OpenAI's APIs: their wire format, streamed answers word by word,
// each word sent only when the test says so.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "window/stand_in.h"

namespace anchorhold::vm_test {

class ModelUpstream {
  public:
    ModelUpstream();
    // Streams that still wait are let go.
    ~ModelUpstream();
    ModelUpstream(const ModelUpstream&) = delete;
    ModelUpstream& operator=(const ModelUpstream&) = delete;

    // The words of a streamed answer, for both APIs. The first one is sent without being asked for.
    static const std::vector<std::string>& words();
    // The stream on its way sends one more word; after the last one, its end.
    void send_next();

    [[nodiscard]] uint16_t port() const { return server_.port(); }
    [[nodiscard]] const std::string& root_pem() const { return server_.root_pem(); }
    [[nodiscard]] std::vector<window_test::Received> received() { return server_.received(); }

  private:
    bool answer(const window_test::Received& request, window_test::ByteStream& stream);
    bool stream_words(const std::vector<std::string>& before, const std::vector<std::string>& after,
                      std::string (*event)(const std::string& word),
                      window_test::ByteStream& stream);
    void wait_for_turn();

    std::mutex mutex_;
    std::condition_variable changed_;
    size_t turns_ = 0;
    bool leaving_ = false;
    window_test::StandIn server_;
};

}  // namespace anchorhold::vm_test
