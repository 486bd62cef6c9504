"""The hot loops of searches and merges, compiled by numba.

Each function is the twin of a few lines of NumPy at the place where it is called, and returns the
same numbers. Only `fingerprinter.core.numeric.compiled` imports this module, because importing
numba takes longer than a search. Arrays that a function writes to are its last parameters.
"""

from __future__ import annotations

import numba
import numpy as np

_ONES = np.array([n.bit_count() for n in range(256)], np.int64)
_DIGIT_BITS = 9
_DIGITS = 1 << _DIGIT_BITS

_compiled = numba.njit(cache=True, nogil=True)


@_compiled
def spans(highs, high_firsts, high_bits, widths, block, low, high, first, counts):
    """Write the number of the first value of each range, and how many values it has.

    A value counts if its upper part is one of those of the range. A cursor walks over the upper
    parts of a block: ``ones`` values and ``zeros`` steps of the upper part lie before it. It
    continues from range to range while they ascend, and restarts at the block otherwise.
    """
    before = -1
    bit = ones = zeros = end = 0
    for i in range(len(block)):
        number = block[i]
        if number != before or bit >= end or low[i] >> widths[number] < zeros:
            before, ones, zeros = number, 0, 0
            bit = high_firsts[number]
            end = bit + high_bits[number]
        lowest, highest = low[i] >> widths[number], (high[i] - 1) >> widths[number]
        while zeros < lowest and bit < end:
            octet = np.int64(highs[bit >> 3])
            if bit & 7 == 0 and zeros + 8 - _ONES[octet] < lowest:
                ones += _ONES[octet]
                zeros += 8 - _ONES[octet]
                bit += 8
            else:
                one = (octet >> (bit & 7)) & 1
                ones += one
                zeros += 1 - one
                bit += 1
        first[i] = ones
        while zeros < highest and bit < end:
            one = (np.int64(highs[bit >> 3]) >> (bit & 7)) & 1
            ones += one
            zeros += 1 - one
            bit += 1
        # The next range may begin within the same upper part, so the cursor stays before it.
        ahead = bit
        while ahead < end and (np.int64(highs[ahead >> 3]) >> (ahead & 7)) & 1:
            ahead += 1
        counts[i] = ones + ahead - bit - first[i]


@_compiled
def read(data, low_bits, highs, high_firsts, widths, block, low, high, first, bits, query, value):
    """Write the values that lie in each range and the number of the range; return how many."""
    written = 0
    for i in range(len(block)):
        number = block[i]
        width = widths[number]
        mask, upper, which = (1 << width) - 1, low[i] >> width, first[i]
        start = high_firsts[number] + first[i] + upper
        for bit in range(start, start + bits[i]):
            if (np.int64(highs[bit >> 3]) >> (bit & 7)) & 1 == 0:
                upper += 1
                continue
            place = low_bits[number] + which * width
            lower, held = np.int64(data[place >> 3]) >> (place & 7), 8 - (place & 7)
            byte = (place >> 3) + 1
            while held < width:
                lower |= np.int64(data[byte]) << held
                held += 8
                byte += 1
            found = (upper << width) | (lower & mask)
            if low[i] <= found < high[i] and written < len(query):
                query[written] = i
                value[written] = found
                written += 1
            which += 1
    return written


@_compiled
def values(words, low_bits, highs, high_firsts, widths, counts, value):
    """Write all values of blocks, one block after another."""
    written = 0
    for number in range(len(counts)):
        width, place = widths[number], low_bits[number]
        mask, upper = (np.int64(1) << width) - 1, 0
        bit, end = high_firsts[number], written + counts[number]
        while written < end:
            if (np.int64(highs[bit >> 3]) >> (bit & 7)) & 1:
                lower = np.int64(words[place >> 3] >> np.uint64(place & 7)) & mask
                value[written] = (upper << width) | lower
                written += 1
                place += width
            else:
                upper += 1
            bit += 1


@_compiled
def pack(values, counts, widths, lows, highs, data):
    """Write the lower and the upper parts of each block's values.

    lows, highs: the bytes where the parts of each block begin. Bits of the lower parts are
    collected in a number until they fill a byte.
    """
    start = 0
    for number in range(len(counts)):
        width, end = widths[number], start + counts[number]
        mask, byte, first = (np.int64(1) << width) - 1, lows[number], 8 * highs[number] - start
        held = bits = np.int64(0)
        for at in range(start, end):
            held |= (values[at] & mask) << bits
            bits += width
            while bits >= 8:
                data[byte] = held & 255
                held >>= 8
                bits -= 8
                byte += 1
            one = first + at + (values[at] >> width)
            data[one >> 3] |= 1 << (one & 7)
        if bits:
            data[byte] = held
        start = end


@_compiled
def votes(query, position, first, counts, shifts, keys):
    """Write the key of each place that the postings vote for."""
    written = 0
    for i in range(len(query)):
        start = first[query[i]]
        for which in range(start, start + counts[query[i]]):
            keys[written] = position[i] + shifts[which]
            written += 1


@_compiled
def sorted_keys(keys):
    """Return non-negative numbers in ascending order; overwrites the array that was passed.

    A radix sort by nine bits at a time: the positions of 512 digits fit in a core's nearest
    cache. Bits that are the same in all keys are skipped.
    """
    spare = np.empty_like(keys)
    varying = np.int64(0)
    for key in keys:
        varying |= key ^ keys[0]
    shift = 0
    while varying >> shift:
        if (varying >> shift) & 1 == 0:
            shift += 1
            continue
        ends = np.zeros(_DIGITS, np.int64)
        for key in keys:
            ends[(key >> shift) & (_DIGITS - 1)] += 1
        before = 0
        for digit in range(_DIGITS):
            before, ends[digit] = before + ends[digit], before
        for key in keys:
            digit = (key >> shift) & (_DIGITS - 1)
            spare[ends[digit]] = key
            ends[digit] += 1
        keys, spare = spare, keys
        shift += _DIGIT_BITS
    return keys


@_compiled
def best_places(keys, position, count):
    """Write the places with the most votes among sorted keys, best first, and their votes.

    A place is a key and the next one. The length of the output limits the number of places; of
    places with equal votes the first one comes first. Returns how many there are.
    """
    found = start = 0
    while start < len(keys) and len(count):
        end = start + 1
        while end < len(keys) and keys[end] == keys[start]:
            end += 1
        after = end
        while after < len(keys) and keys[after] == keys[start] + 1:
            after += 1
        n = after - start
        if found < len(count) or n > count[found - 1]:
            found = min(found + 1, len(count))
            at = found - 1
            while at > 0 and count[at - 1] < n:
                position[at], count[at] = position[at - 1], count[at - 1]
                at -= 1
            position[at], count[at] = keys[start], n
        start = end
    return found


@_compiled
def best_of_each(track_ids, frames, min_distance, limit, deleted, kept):
    """Mark the places to keep, out of places sorted best first.

    At most ``limit`` places of a track are kept, more than ``min_distance`` frames apart, and
    none of the track id ``deleted``.
    """
    for i in range(len(track_ids)):
        if track_ids[i] == deleted:
            continue
        same_track, near = 0, False
        for j in range(i):
            if kept[j] and track_ids[j] == track_ids[i]:
                same_track += 1
                near |= abs(frames[j] - frames[i]) <= min_distance
        kept[i] = same_track < limit and not near


@_compiled
def rated_places(
    track_ids, frames, votes, starts, min_distance, limit, deleted, rivals, kept, excess
):
    """Mark the places of each variant to keep, and write by how much their votes exceed chance.

    starts: where the places of each variant begin, and the end of the last one
    """
    for variant in range(len(starts) - 1):
        start, end = starts[variant], starts[variant + 1]
        own = slice(start, end)
        best_of_each(track_ids[own], frames[own], min_distance, limit, deleted, kept[own])
        seen = total = 0
        for i in range(start, end):
            known = not kept[i]
            for j in range(start, i):
                known |= kept[j] and track_ids[j] == track_ids[i]
            if not known:
                total += votes[i] if 1 <= seen <= rivals else 0
                seen += 1
        others = min(seen - 1, rivals)
        chance = max(1.0, total / others) if others > 0 else 1.0
        for i in range(start, end):
            excess[i] = (votes[i] - chance) / np.sqrt(chance)


@_compiled
def agreement(codes, present, rows, weights, total):
    """Add for each place by how many bits more than half the codes from it on agree with rows.

    codes: (words, places); rows: (steps, words); present: (places,), 0 where there is no code.
    """
    words, count = codes.shape
    apart = np.empty(len(total), np.int16)
    for step in range(len(rows)):
        n = min(len(total), count - step)
        apart[:n] = 0
        for word in range(words):
            row, column = rows[step, word], codes[word, step : step + n]
            for at in range(n):
                apart[at] += np.int16(_ones_of(column[at] ^ row))
        for at in range(n):
            agree = np.int16(32 * words - apart[at]) * present[at + step]
            total[at] += weights[step] * np.float32(agree)


@_compiled
def alike(codes, first, end, rows, first_apart, most_apart, found):
    """Write which codes in ranges differ from rows in few bits; return how many.

    codes: (n, words); rows: (r, words); first, end: (r, ranges) of each row; found: (2, at least
    as many as the ranges hold), number of the row and of the code. A code that differs in more than
    ``first_apart`` bits of its first word is left out at once.
    """
    written = 0
    words = rows.shape[1]
    for row in range(len(rows)):
        for which in range(first.shape[1]):
            for at in range(first[row, which], end[row, which]):
                apart = _ones_of(codes[at, 0] ^ rows[row, 0])
                if apart > first_apart:
                    continue
                for word in range(1, words):
                    apart += _ones_of(codes[at, word] ^ rows[row, word])
                if apart <= most_apart:
                    found[0, written], found[1, written] = row, at
                    written += 1
    return written


@numba.njit(cache=True, nogil=True, inline="always")
def _ones_of(word):
    """Count the set bits of 64. LLVM recognises the pattern and compiles one instruction."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@_compiled
def near_pairs(a, b, reach):
    """Return (index in a, index in b) of all pairs at most ``reach`` apart; b is sorted."""
    first = np.searchsorted(b, a - reach)
    end = np.searchsorted(b, a + reach, side="right")
    total = 0
    for i in range(len(a)):
        total += max(0, end[i] - first[i])
    a_index, b_index = np.empty(total, np.int64), np.empty(total, np.int64)
    written = 0
    for i in range(len(a)):
        for j in range(first[i], end[i]):
            a_index[written] = i
            b_index[written] = j
            written += 1
    return a_index, b_index


@_compiled
def near_points(a_frames, a_bins, b_frames, b_bins, reach_frames, reach_bins):
    """Return (index in a, index in b) of all pairs near in frame and bin; b sorted by frame.

    Every pair that is near in frame is written, and overwritten by the next one if it is not near
    in bin. This is four times as fast as a branch that is taken once in a hundred times.
    """
    first = np.searchsorted(b_frames, a_frames - reach_frames)
    end = np.searchsorted(b_frames, a_frames + reach_frames, side="right")
    room = np.maximum(end - first, 0).sum() + 1
    a_index, b_index = np.empty(room, np.int64), np.empty(room, np.int64)
    written = 0
    for i in range(len(a_frames)):
        for j in range(first[i], end[i]):
            a_index[written] = i
            b_index[written] = j
            written += abs(b_bins[j] - a_bins[i]) <= reach_bins
    return a_index[:written].copy(), b_index[:written].copy()


@_compiled
def coinciding(clip_frames, clip_bins, track_frames, track_bins, reach, steps):
    """Count the pairs of near bins by their distance in time; the track is sorted by bin.

    Returns (lowest, counts): counts[i] pairs are ``lowest + i`` steps of a frame apart. The pairs
    themselves are not stored.
    """
    if len(clip_frames) == 0 or len(track_frames) == 0:
        return 0, np.zeros(0, np.int64)
    base = int(np.floor((track_frames.min() - clip_frames.max()) * steps)) - 1
    end = int(np.ceil((track_frames.max() - clip_frames.min()) * steps)) + 2
    counts = np.zeros(end - base, np.int64)
    first = np.searchsorted(track_bins, clip_bins - reach)
    stop = np.searchsorted(track_bins, clip_bins + reach, side="right")
    for i in range(len(clip_frames)):
        for j in range(first[i], stop[i]):
            counts[int(np.rint((track_frames[j] - clip_frames[i]) * steps)) - base] += 1
    filled = np.flatnonzero(counts)
    if len(filled) == 0:
        return 0, np.zeros(0, np.int64)
    return base + filled[0], counts[filled[0] : filled[-1] + 1]


@_compiled
def paired(frames, bins, min_dt, max_dt, max_df, fan_out, anchors, targets):
    """Write the anchor and target of each pair of peaks; return how many there are."""
    taken = np.zeros(len(frames), np.int32)
    written = 0
    for step in range(1, len(frames)):
        reached = False
        for i in range(len(frames) - step):
            dt = frames[i + step] - frames[i]
            if dt > max_dt:
                continue
            reached = True
            near = dt >= min_dt and abs(bins[i + step] - bins[i]) <= max_df
            if near and taken[i] < fan_out:
                taken[i] += 1
                anchors[written], targets[written] = i, i + step
                written += 1
        if not reached:
            break
    return written


@_compiled
def beaten_by(frames, salience, reach, beaten):
    """Count for each peak the more salient ones within reach; of equal ones the first wins."""
    for i in range(len(frames)):
        j = i + 1
        while j < len(frames) and frames[j] - frames[i] <= reach:
            if salience[j] > salience[i]:
                beaten[i] += 1
            else:
                beaten[j] += 1
            j += 1


@_compiled
def maxima(log_mag, halves, floor):
    """Return (rows, columns, grades) of the local maxima above the floor.

    halves: half the size of each box in frames and bins, the widest box first.
    """
    height, width = log_mag.shape
    found = np.empty((2, log_mag.size), np.int32)
    grade = np.empty(log_mag.size, np.int8)
    highest, around = np.empty(width, log_mag.dtype), np.empty(width, log_mag.dtype)
    n = 0
    last = len(halves) - 1
    for row in range(height):
        _highest_rows(log_mag, row, halves[last, 0], highest)
        _highest_columns(highest, halves[last, 1], around)
        for col in range(width):
            if log_mag[row, col] >= around[col] and log_mag[row, col] > floor:
                found[0, n], found[1, n], grade[n] = row, col, 0
                for wider in range(last):
                    grade[n] += not _is_greatest(log_mag, row, col, halves[wider])
                n += 1
    return found[0, :n].copy(), found[1, :n].copy(), grade[:n].copy()


@_compiled
def _highest_rows(log_mag, row, half, highest):
    """Write the greatest value of each column within ``half`` rows on either side."""
    highest[:] = log_mag[row]
    for line in range(max(0, row - half), min(log_mag.shape[0], row + half + 1)):
        for col in range(log_mag.shape[1]):
            highest[col] = max(highest[col], log_mag[line, col])


@_compiled
def _highest_columns(values, half, highest):
    """Write the greatest value within ``half`` places on either side of each value."""
    highest[:] = values
    for step in range(1, half + 1):
        for col in range(len(values) - step):
            highest[col] = max(highest[col], values[col + step])
        for col in range(step, len(values)):
            highest[col] = max(highest[col], values[col - step])


@_compiled
def _is_greatest(log_mag, row, col, half):
    """Tell whether no value in the box around a point is greater."""
    left, right = max(0, col - half[1]), min(log_mag.shape[1], col + half[1] + 1)
    for line in range(max(0, row - half[0]), min(log_mag.shape[0], row + half[0] + 1)):
        for other in range(left, right):
            if log_mag[line, other] > log_mag[row, col]:
                return False
    return True


@_compiled
def integrate(log_mag, integral):
    """Write the sum of all values above and left of each point."""
    columns = np.zeros(log_mag.shape[1])
    for row in range(log_mag.shape[0]):
        total = 0.0
        for col in range(log_mag.shape[1]):
            columns[col] += log_mag[row, col]
            total += columns[col]
            integral[row + 1, col + 1] = total


@_compiled
def aligned(
    alike,
    row_means,
    row_precisions,
    means,
    precisions,
    firsts,
    lengths,
    threshold,
    least,
    most,
    scores,
):
    """Write the score of the best alignment of a query with each of several references.

    alike: (n, columns); row_means, row_precisions: (n, references); means, precisions: (columns,);
    firsts, lengths: the first column and the number of columns of each reference
    """
    for which in range(len(scores)):
        own = slice(firsts[which], firsts[which] + lengths[which])
        mean, precision = means[own], precisions[own]
        before = np.zeros(len(mean) + 2, np.float32)
        last, row = np.zeros_like(before), np.zeros_like(before)
        best = np.zeros_like(before)
        for i in range(len(alike)):
            similar = alike[i, own]
            row_mean, row_precision = row_means[i, which], row_precisions[i, which]
            for j in range(len(mean)):
                gain = (similar[j] - row_mean) * row_precision
                other = (similar[j] - mean[j]) * precision[j]
                gain = (gain if gain < other else other) - threshold
                gain = gain if gain > least else least
                gain = gain if gain < most else most
                ended = last[j + 1] if last[j + 1] > before[j + 1] else before[j + 1]
                ended = (ended if ended > last[j] else last[j]) + gain
                ended = ended if ended > 0 else np.float32(0)
                row[j + 2] = ended
                best[j] = best[j] if best[j] > ended else ended
            before, last, row = last, row, before
        scores[which] = best.max()
