// Every decoder of stored bytes on arbitrary input. The first byte chooses the decoder, the second
// the length asked for.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tsdb/codec.h"
#include "tsdb/compaction.h"
#include "tsdb/histogram_codec.h"
#include "tsdb/interval_coder.h"
#include "tsdb/part.h"
#include "tsdb/postings.h"
#include "tsdb/value_column.h"
#include "tsdb/window.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deckwatch;
  using namespace deckwatch::tsdb;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t n = 1 + data[1] % kBlockSamples;
  Reader in(bytes);
  switch (data[0] % 10) {
    case 0: {
      std::vector<int64_t> out(n);
      (void)DecodeInts(&in, n, out.data());
      break;
    }
    case 1: {
      std::vector<double> out(n);
      if (DecodeValues(&in, n, out.data())) {
        // What decodes has an encoding that gives the same bits again.
        std::string again;
        EncodeValues(out, &again);
        std::vector<double> back(n);
        Reader second(again);
        CHECK(DecodeValues(&second, n, back.data()));
        CHECK(std::memcmp(out.data(), back.data(), n * sizeof(double)) == 0);
      }
      break;
    }
    case 2: {
      Histogram h;
      (void)DecodeHistogram(&in, &h);
      break;
    }
    case 3: {
      std::vector<HistogramPtr> out;
      (void)DecodeHistograms(&in, n, &out);
      break;
    }
    case 4: {
      Postings out;
      (void)DecodePostings(&in, 1 << 16, &out);
      break;
    }
    case 5: (void)PartMeta::Decode(bytes).ok(); break;
    case 6: (void)Tombstone::Decode(1, bytes).ok(); break;
    case 7: {
      const auto coder = IntervalCoder::Decode(&in);
      std::vector<int64_t> out(2 * n);
      const std::string_view rest = in.rest();
      const IntervalCoder::Block two[] = {{rest.substr(0, rest.size() / 2), n, out.data()},
                                          {rest.substr(rest.size() / 2), n, out.data() + n}};
      if (coder) (void)coder->DecodeBlocks(two);
      break;
    }
    case 8: {
      const size_t samples = n * 9;  // several stretches too
      std::vector<double> out(samples), beside(samples, 1e6);
      const bool paired = (data[1] & 1) != 0;
      if (DecodeColumn(&in, samples, {0, samples}, std::span(beside).first(paired ? samples : 0),
                       out.data())) {
        std::string again;
        EncodeColumn(out, {}, Effort::kSmall, &again);
        std::vector<double> back(samples);
        Reader second(again);
        CHECK(DecodeColumn(&second, samples, {0, samples}, {}, back.data()));
        CHECK(std::memcmp(out.data(), back.data(), samples * sizeof(double)) == 0);
      }
      break;
    }
    default: {
      GroupWindow window;
      (void)window.Replay(bytes);
      (void)window.Replay(bytes);
      Columns out;
      window.Read(0, INT64_MIN, INT64_MAX, &out);
      break;
    }
  }
  return 0;
}
