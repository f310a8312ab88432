//! Vectors of bytes from and to memory: the intrinsics that take pointers, and nothing else.

use std::arch::x86_64::*;

use super::lanes;

/// 16 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_16(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference holds 16 bytes; no alignment is asked for.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_32(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference holds 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Writes 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_32(vector: __m256i, out: &mut [u8; 32]) {
    // SAFETY: the reference holds 32 bytes; no alignment is asked for.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), vector) }
}

/// 16 bytes of each of eight rows, which begin `stride` bytes apart: of the first four, from above, and of the
/// last four, from below.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
pub(crate) fn load_rows_16(bytes: &[u8], stride: usize) -> [__m512i; 2] {
    assert!(stride <= bytes.len() && 7 * stride + 16 <= bytes.len(), "rows are missing");
    // SAFETY: all of the eight rows have 16 bytes; no alignment is asked for.
    let row = |row: usize| unsafe { _mm_loadu_si128(bytes.as_ptr().add(row * stride).cast()) };
    let first = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(row(0)), row(1));
    let second = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(row(2)), row(3));
    let last = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(row(7)), row(6));
    let before = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(row(5)), row(4));
    [
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first), second),
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(last), before),
    ]
}

/// Writes eights of bytes to eight rows, which begin `stride` bytes apart; `rows` tells to which.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
pub(crate) fn store_rows_8(vector: __m512i, out: &mut [u8], stride: usize, rows: [usize; 8]) {
    assert!(stride <= out.len() && 7 * stride + 8 <= out.len(), "rows are missing");
    let parts = [
        _mm512_extracti32x4_epi32::<0>(vector),
        _mm512_extracti32x4_epi32::<1>(vector),
        _mm512_extracti32x4_epi32::<2>(vector),
        _mm512_extracti32x4_epi32::<3>(vector),
    ];
    for (part, rows) in parts.iter().zip(rows.as_chunks::<2>().0) {
        let [first, second] = rows.map(|row| (row & 7) * stride);
        let (start, upper) = (out.as_mut_ptr(), _mm_unpackhi_epi64(*part, *part));
        // SAFETY: all of the eight rows have 8 bytes; no alignment is asked for.
        unsafe {
            _mm_storel_epi64(start.add(first).cast(), *part);
            _mm_storel_epi64(start.add(second).cast(), upper);
        }
    }
}

/// 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_64(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Two words that stand side by side, as a number of 32 bits.
pub(crate) const fn two_words(first: i32, second: i32) -> i32 {
    (first & 0xFFFF) | second << 16
}

/// A mask of the first `count` of 64 bytes.
#[inline(always)]
pub(crate) fn first_of_64(count: usize) -> u64 {
    if count < 64 { !(u64::MAX << count) } else { u64::MAX }
}

/// At most 64 bytes, and zeros behind them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn load_some(bytes: &[u8]) -> __m512i {
    // SAFETY: the mask leaves out what is behind the slice.
    unsafe { _mm512_maskz_loadu_epi8(first_of_64(bytes.len()), bytes.as_ptr().cast()) }
}

/// 192 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_192(bytes: &[u8; 192]) -> [__m512i; 3] {
    [load_64(lanes(bytes, 0)), load_64(lanes(bytes, 64)), load_64(lanes(bytes, 128))]
}

/// Writes 64 bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_64(vector: __m512i, out: &mut [u8; 64]) {
    // SAFETY: the reference holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), vector) }
}

/// The numbers of a vector.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn numbers_4(vector: __m256i) -> [u64; 4] {
    let mut numbers = [0; 4];
    // SAFETY: the array holds 32 bytes; no alignment is asked for.
    unsafe { _mm256_storeu_si256(numbers.as_mut_ptr().cast(), vector) };
    numbers
}

/// The numbers of a vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn numbers_8(vector: __m512i) -> [u64; 8] {
    let mut numbers = [0; 8];
    // SAFETY: the array holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_storeu_si512(numbers.as_mut_ptr().cast(), vector) };
    numbers
}

/// Writes 8 numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_numbers_8(vector: __m512i, out: &mut [u64; 8]) {
    // SAFETY: the reference holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), vector) };
}

/// Writes the lowest byte of 8 numbers.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_low_8(vector: __m512i, out: &mut [u8; 8]) {
    let low = _mm512_cvtepi64_epi8(vector);
    // SAFETY: the reference holds 8 bytes; no alignment is asked for.
    unsafe { _mm_storel_epi64(out.as_mut_ptr().cast(), low) };
}

/// 16 words.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load_words_16(words: &[i16; 16]) -> __m256i {
    // SAFETY: the reference holds 32 bytes; no alignment is asked for.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// Writes 32 words.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store_words_32(vectors: [__m256i; 2], out: &mut [i16; 32]) {
    let [left, right] = out.as_chunks_mut::<16>().0 else { unreachable!() };
    // SAFETY: each reference holds 32 bytes; no alignment is asked for.
    unsafe {
        _mm256_storeu_si256(left.as_mut_ptr().cast(), vectors[0]);
        _mm256_storeu_si256(right.as_mut_ptr().cast(), vectors[1]);
    }
}

/// 16 words, and the same once more.
#[inline]
#[target_feature(enable = "avx2,avx512f")]
pub(crate) fn load_words_16_twice(words: &[i16; 16]) -> __m512i {
    _mm512_broadcast_i64x4(load_words_16(words))
}

/// 32 words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_words_32(words: &[i16; 32]) -> __m512i {
    // SAFETY: the reference holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Writes 32 words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_words_of_512(vector: __m512i, out: &mut [i16; 32]) {
    // SAFETY: the reference holds 64 bytes; no alignment is asked for.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), vector) }
}

/// 64 words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_words_64(words: &[i16; 64]) -> [__m512i; 2] {
    [load_words_32(lanes(words, 0)), load_words_32(lanes(words, 32))]
}

/// Writes 64 words.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn store_words_64(vectors: [__m512i; 2], out: &mut [i16; 64]) {
    let [left, right] = out.as_chunks_mut::<32>().0 else { unreachable!() };
    // SAFETY: each reference holds 64 bytes; no alignment is asked for.
    unsafe {
        _mm512_storeu_si512(left.as_mut_ptr().cast(), vectors[0]);
        _mm512_storeu_si512(right.as_mut_ptr().cast(), vectors[1]);
    }
}

/// Asks for the cache line at `place` of `row`, or near its end.
#[inline(always)]
pub(crate) fn prefetch(row: &[u8], place: usize) {
    // SAFETY: nothing is read; any address will do.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(row.as_ptr().wrapping_add(place).cast()) };
}

/// A table of bytes in four vectors.
#[inline]
#[target_feature(enable = "avx512f")]
pub(crate) fn load_table(table: &[u8; 256]) -> [__m512i; 4] {
    let [first, second, third, fourth] = table.as_chunks::<64>().0 else { unreachable!() };
    [load_64(first), load_64(second), load_64(third), load_64(fourth)]
}

/// What a table holds for each of 64 values.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(crate) fn look_up_64(values: __m512i, table: [__m512i; 4]) -> __m512i {
    let [first, second, third, fourth] = table;
    let low = _mm512_permutex2var_epi8(first, values, second);
    let high = _mm512_permutex2var_epi8(third, values, fourth);
    _mm512_mask_blend_epi8(_mm512_movepi8_mask(values), low, high)
}

/// A table of bytes in 16 parts, each but those of 0 and 128 as what must be added without carry to
/// all parts before it.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn table_steps(table: &[u8; 256]) -> [__m256i; 16] {
    let parts = table.as_chunks::<16>().0;
    std::array::from_fn(|index| {
        let part = parts[index];
        let step = if index % 8 == 0 {
            part
        } else {
            std::array::from_fn(|entry| part[entry] ^ parts[index - 1][entry])
        };
        let mut twice = [0; 32];
        twice[..16].copy_from_slice(&step);
        twice[16..].copy_from_slice(&step);
        load_32(&twice)
    })
}

/// What a table holds for each of 32 values.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn look_up_32(values: __m256i, steps: &[__m256i; 16]) -> __m256i {
    let sixteen = _mm256_set1_epi8(16);
    // A byte under 0 gives 0, any other one the entry of its low four bits.
    let mut low = values;
    let mut high = _mm256_xor_si256(values, _mm256_set1_epi8(i8::MIN));
    let (low_steps, high_steps) = steps.split_at(8);
    let mut found = _mm256_setzero_si256();
    for (low_step, high_step) in low_steps.iter().zip(high_steps) {
        found = _mm256_xor_si256(found, _mm256_shuffle_epi8(*low_step, low));
        found = _mm256_xor_si256(found, _mm256_shuffle_epi8(*high_step, high));
        low = _mm256_subs_epi8(low, sixteen);
        high = _mm256_subs_epi8(high, sixteen);
    }
    found
}

const fn byte(place: usize) -> u8 {
    place.to_le_bytes()[0]
}

/// Which of three channels stands at byte `place` of interleaved pixels, and of which pixel.
const fn pixel_at(place: usize) -> (usize, u8) {
    (place % 3, byte(place / 3))
}

/// The lanes whose number leaves 0, 1 and 2 when it is divided by 3.
///
/// Three vectors of interleaved pixels have each channel once in each lane, since the number of lanes is no
/// multiple of 3: blends part the channels, and one permutation each puts them in order.
const EACH_THIRD: [u64; 3] = {
    let mut lanes = [0; 3];
    let mut lane = 0;
    while lane < 64 {
        lanes[lane % 3] |= 1 << lane;
        lane += 1;
    }
    lanes
};

/// For each of three channels, which of its bytes has a place in each lane of interleaved pixels, in
/// whichever vector; `order` tells where in its channel each pixel is.
pub(crate) const fn interleaved_from(order: &[u8; 64]) -> [[u8; 64]; 3] {
    let mut bytes = [[0; 64]; 3];
    let mut at = 0;
    while at < 192 {
        let (channel, pixel) = pixel_at(at);
        bytes[channel][at % 64] = order[pixel as usize];
        at += 1;
    }
    bytes
}

/// [`interleaved_from`] channels whose pixels follow each other.
pub(crate) const IN_ORDER: [[u8; 64]; 3] = {
    let (mut order, mut pixel) = ([0; 64], 0);
    while pixel < 64 {
        order[pixel] = byte(pixel);
        pixel += 1;
    }
    interleaved_from(&order)
};

/// Writes 64 pixels of the three channels, in the order that [`interleaved_from`] was told.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(crate) fn interleave_192(channels: [__m512i; 3], from: &[[u8; 64]; 3], out: &mut [u8; 192]) {
    let mut placed = channels;
    for (channel, from) in placed.iter_mut().zip(from) {
        *channel = _mm512_permutexvar_epi8(load_64(from), *channel);
    }
    let [first, second, third] = placed;
    for (vector, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        // Of the first byte.
        let channel = 64 * vector % 3;
        let two = _mm512_mask_blend_epi8(EACH_THIRD[(4 - channel) % 3], first, second);
        store_64(_mm512_mask_blend_epi8(EACH_THIRD[(5 - channel) % 3], two, third), out);
    }
}

/// The three channels of 64 pixels.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(crate) fn deinterleave_192([left, middle, right]: [__m512i; 3]) -> [__m512i; 3] {
    /// For each channel, the lane of each pixel.
    const LANES: [[u8; 64]; 3] = {
        let mut lanes = [[0; 64]; 3];
        let mut at = 0;
        while at < 192 {
            let (channel, pixel) = pixel_at(at);
            lanes[channel][pixel as usize] = byte(at % 64);
            at += 1;
        }
        lanes
    };
    let mut channels = [left; 3];
    for (number, (channel, lanes)) in channels.iter_mut().zip(&LANES).enumerate() {
        let two = _mm512_mask_blend_epi8(EACH_THIRD[(number + 2) % 3], left, middle);
        let all = _mm512_mask_blend_epi8(EACH_THIRD[(number + 1) % 3], two, right);
        *channel = _mm512_permutexvar_epi8(load_64(lanes), all);
    }
    channels
}

/// The three channels of 32 pixels of words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn deinterleave_words_96(pixels: &[i16; 96]) -> [__m512i; 3] {
    /// For each channel, the lane of each pixel.
    const LANES: [[i16; 32]; 3] = {
        let mut lanes = [[0; 32]; 3];
        let mut at = 0;
        while at < 96 {
            let (channel, pixel) = pixel_at(at);
            lanes[channel][pixel as usize] = byte(at % 32) as i16;
            at += 1;
        }
        lanes
    };
    let [left, middle, right] = pixels.as_chunks::<32>().0 else { unreachable!() };
    let (left, middle, right) = (load_words_32(left), load_words_32(middle), load_words_32(right));
    #[expect(clippy::cast_possible_truncation, reason = "32 lanes")]
    let each_third = EACH_THIRD.map(|lanes| lanes as u32);
    let mut channels = [left; 3];
    for (number, (channel, lanes)) in channels.iter_mut().zip(&LANES).enumerate() {
        let two = _mm512_mask_blend_epi16(each_third[(number + 1) % 3], left, middle);
        let all = _mm512_mask_blend_epi16(each_third[(number + 2) % 3], two, right);
        *channel = _mm512_permutexvar_epi16(load_words_32(lanes), all);
    }
    channels
}

/// The three channels of 32 pixels.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn deinterleave_96(pixels: &[u8; 96]) -> [__m256i; 3] {
    /// For each channel, which bytes come from the second and the last third of 16 pixels, and where
    /// its values then stand.
    const MASKS_AND_ORDERS: [[[u8; 32]; 3]; 3] = {
        let mut places = [[[0; 32]; 3]; 3];
        let mut at = 0;
        while at < 48 {
            let (channel, pixel) = pixel_at(at);
            let [second, last, order] = &mut places[channel];
            let halves = [0, 16];
            let mut half = 0;
            while half < 2 {
                let place = at % 16 + halves[half];
                match at / 16 {
                    0 => {}
                    1 => second[place] = 255,
                    _ => last[place] = 255,
                }
                order[pixel as usize + halves[half]] = byte(at % 16);
                half += 1;
            }
            at += 1;
        }
        places
    };
    let [first, second, third] = pixels.as_chunks::<32>().0 else { unreachable!() };
    let (first, second, third) = (load_32(first), load_32(second), load_32(third));
    // Each holds a third of the left 16 pixels and one of the right 16.
    let start = _mm256_permute2x128_si256::<0x30>(first, second);
    let middle = _mm256_permute2x128_si256::<0x21>(first, third);
    let end = _mm256_permute2x128_si256::<0x30>(second, third);
    let mut channels = [start; 3];
    for (channel, [of_second, of_last, order]) in channels.iter_mut().zip(&MASKS_AND_ORDERS) {
        let two = _mm256_blendv_epi8(start, middle, load_32(of_second));
        let all = _mm256_blendv_epi8(two, end, load_32(of_last));
        *channel = _mm256_shuffle_epi8(all, load_32(order));
    }
    channels
}

/// Writes 32 pixels of the three channels.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn interleave_96(channels: [__m256i; 3], out: &mut [u8; 96]) {
    /// For each channel, the order of 16 values in which each stands at its place in a vector of the
    /// result; and for each vector of the result, which bytes come from the channels 1 and 2.
    const ORDERS_AND_MASKS: ([[u8; 32]; 3], [[[u8; 32]; 2]; 3]) = {
        let (mut orders, mut masks) = ([[0; 32]; 3], [[[0; 32]; 2]; 3]);
        let mut at = 0;
        while at < 48 {
            let (channel, pixel) = pixel_at(at);
            orders[channel][at % 16] = pixel;
            orders[channel][at % 16 + 16] = pixel;
            if channel > 0 {
                masks[at / 16][channel - 1][at % 16] = 255;
                masks[at / 16][channel - 1][at % 16 + 16] = 255;
            }
            at += 1;
        }
        (orders, masks)
    };
    let (orders, masks) = &ORDERS_AND_MASKS;
    let first = _mm256_shuffle_epi8(channels[0], load_32(&orders[0]));
    let second = _mm256_shuffle_epi8(channels[1], load_32(&orders[1]));
    let third = _mm256_shuffle_epi8(channels[2], load_32(&orders[2]));
    // Each holds a third of the left 16 pixels and one of the right 16.
    let mut thirds = [first; 3];
    for (joined, [of_second, of_third]) in thirds.iter_mut().zip(masks) {
        let two = _mm256_blendv_epi8(first, second, load_32(of_second));
        *joined = _mm256_blendv_epi8(two, third, load_32(of_third));
    }
    let [start, middle, end] = thirds;
    let [first_out, second_out, third_out] = out.as_chunks_mut::<32>().0 else { unreachable!() };
    store_32(_mm256_permute2x128_si256::<0x20>(start, middle), first_out);
    store_32(_mm256_permute2x128_si256::<0x30>(end, start), second_out);
    store_32(_mm256_permute2x128_si256::<0x31>(middle, end), third_out);
}

/// 64 columns of four rows of bytes from `start` on, each column one after the other: of each 16, the
/// first four in the first vector, the next in the second and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn load_columns(rows: [&[u8]; 4], start: usize) -> [__m512i; 4] {
    let [first, second, third, fourth] = rows;
    let (first, second) = (load_64(lanes(first, start)), load_64(lanes(second, start)));
    let (third, fourth) = (load_64(lanes(third, start)), load_64(lanes(fourth, start)));
    let upper = [_mm512_unpacklo_epi8(first, second), _mm512_unpackhi_epi8(first, second)];
    let lower = [_mm512_unpacklo_epi8(third, fourth), _mm512_unpackhi_epi8(third, fourth)];
    [
        _mm512_unpacklo_epi16(upper[0], lower[0]),
        _mm512_unpackhi_epi16(upper[0], lower[0]),
        _mm512_unpacklo_epi16(upper[1], lower[1]),
        _mm512_unpackhi_epi16(upper[1], lower[1]),
    ]
}
