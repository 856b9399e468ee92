// A bare librdkafka producer: the lines of a file to a topic, with the settings that PublishKafka
// has by default, as fast as it goes. The raw limit of `bench kafka` and `bench file`. Ends when
// the broker has acknowledged all.

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace {

std::size_t refused = 0;

void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++refused;
}

// The whole file; empty when it cannot be read.
std::string_view mapped(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  struct stat facts {};
  fstat(fd, &facts);
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* const at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  return at == MAP_FAILED ? std::string_view{}
                          : std::string_view(static_cast<const char*>(at), size);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s KAFKA TOPIC FILE\n", argv[0]);
    return 2;
  }
  const std::string_view text = mapped(argv[3]);
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  std::array<char, 512> error{};
  using Setting = std::pair<const char*, const char*>;
  for (const auto& [name, value] : {Setting{"bootstrap.servers", argv[1]},
                                    {"enable.idempotence", "true"},
                                    {"acks", "all"},
                                    {"partitioner", "murmur2_random"},
                                    {"batch.size", "524288"},
                                    {"queue.buffering.max.ms", "5"}}) {
    if (rd_kafka_conf_set(conf, name, value, error.data(), error.size()) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "%s\n", error.data());
      return 1;
    }
  }
  rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  rd_kafka_t* const producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
  if (producer == nullptr || text.empty()) {
    std::fprintf(stderr, "%s\n", producer == nullptr ? error.data() : "no file");
    return 1;
  }
  rd_kafka_topic_t* const topic = rd_kafka_topic_new(producer, argv[2], nullptr);
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    const std::size_t end = text.find('\n', at);
    const std::size_t next = end == std::string_view::npos ? text.size() : end + 1;
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            const_cast<char*>(text.data() + at), next - at, nullptr, 0,
                            nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        std::fprintf(stderr, "%s\n", rd_kafka_err2str(rd_kafka_last_error()));
        return 1;
      }
      rd_kafka_poll(producer, 10);
    }
    if (count % 1000 == 0) rd_kafka_poll(producer, 0);
    at = next;
  }
  rd_kafka_flush(producer, 120'000);
  const bool is_whole = rd_kafka_outq_len(producer) == 0 && refused == 0;
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  std::printf("%zu\n", count);
  return is_whole ? 0 : 1;
}
