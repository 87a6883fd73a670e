// Agents' SDKs from PyPI and npm, unmodified, under the ready-made policies: whole answers,
// streamed answers word by word, the key put in on this side.
#include <gtest/gtest.h>

#include "vm/model_upstream.h"
#include "vm/window_home.h"

namespace anchorhold::vm_test {
namespace {

using window_test::Received;

constexpr const char* kAnthropicKey = "sk-ant-api03-Xq7Rk2LwZs9vTb4NcYd6MfGh8JpAe1UoIi3BtCx5Ww0";
constexpr const char* kOpenaiKey = "sk-proj-4fKz81QmLvTe93RbXw27UyNc60PdHs58GjAo";

class SdkInAVm : public ::testing::Test {
  protected:
    SdkInAVm() {
        home_.set_roots(upstream_.root_pem());
        home_.add_upstream("api.anthropic.com", upstream_.port());
        home_.add_upstream("api.openai.com", upstream_.port());
        home_.add_secret(
            {"anthropic-api-key", kAnthropicKey, "[api.anthropic.com]", "[anthropic]"});
        home_.add_secret({"openai-api-key", kOpenaiKey, "[api.openai.com]", "[openai]"});
        home_.add_ready_made("anthropic");
        home_.add_ready_made("openai");
        home_.allow_loopback();
    }

    // The stream of one SDK: each word reaches the agent's output before the next one is sent.
    void watch_stream(Running& running, const std::string& who) {
        std::string all;
        for (const std::string& word : ModelUpstream::words()) {
            ASSERT_TRUE(running.wait_for(who + " saw " + word + "\n")) << running.output();
            upstream_.send_next();
            all += word;
        }
        ASSERT_TRUE(running.wait_for(who + " ended " + all)) << running.output();
    }

    // `anthropic_field` is how this SDK sends Anthropic's key.
    void run_both(const std::string& script, const std::string& anthropic_field) {
        Running running(home_.run(script, {}));
        ASSERT_TRUE(running.wait_for("anthropic answered whole 7\n")) << running.output();
        watch_stream(running, "anthropic");
        ASSERT_TRUE(running.wait_for("openai answered whole 7\n")) << running.output();
        watch_stream(running, "openai");
        EXPECT_EQ(running.wait(), 0) << running.output();
        EXPECT_NE(running.output().find("variable sk-ant-api03-"), std::string::npos);
        for (const char* key : {kAnthropicKey, kOpenaiKey}) {
            EXPECT_EQ(running.output().find(key), std::string::npos);
            EXPECT_EQ(read_tree(home_.state()).find(key), std::string::npos);
        }
        const std::vector<Received> received = upstream_.received();
        ASSERT_EQ(received.size(), 4U);
        for (size_t i = 0; i < received.size(); ++i) {
            const std::string field = i < 2 ? anthropic_field + kAnthropicKey
                                            : std::string("authorization: Bearer ") + kOpenaiKey;
            EXPECT_NE(received[i].head.find("\r\n" + field + "\r\n"), std::string::npos)
                << received[i].head;
            // One secret, one place.
            EXPECT_EQ(received[i].head.find("\r\nx-api-key") != std::string::npos,
                      field.starts_with("x-api-key"));
        }
    }

    ModelUpstream upstream_;
    WindowHome home_;
};

TEST_F(SdkInAVm, python_sdks_get_answers_and_streams_with_keys_they_never_hold) {
    run_both(carry("anthropic_client.py") + carry("openai_client.py") +
                 "/opt/clients/venv/bin/python anthropic_client.py && "
                 "/opt/clients/venv/bin/python openai_client.py",
             "x-api-key: ");
}

TEST_F(SdkInAVm, node_sdks_get_answers_and_streams_with_keys_they_never_hold) {
    run_both("ln -s /opt/clients/node_modules .\n" + carry("anthropic_client.mjs") +
                 carry("openai_client.mjs") + "node anthropic_client.mjs && node openai_client.mjs",
             "authorization: Bearer ");
}

}  // namespace
}  // namespace anchorhold::vm_test
