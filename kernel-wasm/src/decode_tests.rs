use super::*;

/// A code's value by the formula of the format, in float64.
fn value_ref(code: u32, exponent: i32, mantissa: i32) -> f64 {
    let sign = if code >> (exponent + mantissa) & 1 == 1 { -1.0 } else { 1.0 };
    let field = (code >> mantissa) as i32 & ((1 << exponent) - 1);
    let fraction = f64::from(code & ((1 << mantissa) - 1)) / f64::from(1 << mantissa);
    let bias = (1 << (exponent - 1)) - 1;
    if field == 0 {
        sign * fraction * 2f64.powi(1 - bias)
    } else {
        sign * (1.0 + fraction) * 2f64.powi(field - bias)
    }
}

#[test]
fn tables_equal_the_formula_of_their_format() {
    for code in 0..256u32 {
        let (e4m3, e5m2) = (E4M3[code as usize], E5M2[code as usize]);
        match code & 0x7f {
            0x7f => assert!(e4m3.is_nan()),
            _ => assert_eq!(f64::from(e4m3), value_ref(code, 4, 3), "{code:#x}"),
        }
        match code & 0x7f {
            0x7c => {
                assert_eq!(e5m2, if code == 0x7c { f32::INFINITY } else { f32::NEG_INFINITY })
            }
            0x7d.. => assert!(e5m2.is_nan()),
            _ => assert_eq!(f64::from(e5m2), value_ref(code, 5, 2), "{code:#x}"),
        }
    }
    assert_eq!(E2M1[..8], [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]);
    assert_eq!(E2M1[8..], E2M1[..8].iter().map(|x| -x).collect::<Vec<_>>());
    assert_eq!((E4M3[0x7e], E5M2[0x7b]), (448.0, 57344.0));
}

#[test]
fn power_of_two_scales_reach_from_the_smallest_to_the_largest_exponent() {
    for byte in 0..255 {
        assert_eq!(f64::from(e8m0_to_f32(byte)), 2f64.powi(i32::from(byte) - 127));
    }
    assert!(e8m0_to_f32(255).is_nan());
}

/// Each element's scale is that of the block it lies in, wherever the rows are cut.
#[test]
fn rows_find_their_blocks_however_they_are_cut() {
    let (rows, columns): (usize, usize) = (130, 200);
    for format in [Format::E4m3, Format::E5m2, Format::E2m1] {
        for (block_rows, block_columns) in [(1, 200), (130, 200), (1, 32), (64, 64), (3, 128)] {
            let across = columns.div_ceil(block_columns);
            let codes: Vec<u8> =
                (0..format.bytes(rows * columns)).map(|i| (i * 37 % 120) as u8).collect();
            let scales: Vec<f32> =
                (0..rows.div_ceil(block_rows) * across).map(|i| 1.0 + i as f32).collect();
            let bytes: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
            let whole = Coded {
                format,
                codes: &codes,
                columns,
                block_rows,
                block_columns,
                skipped_rows: 0,
                scales: &bytes,
                scale_dtype: ScaleDtype::Float(Dtype::F32),
                zeros: &[],
                skipped_zeros: 0,
            };
            for (start, end) in [(0, rows), (1, 2), (63, 65), (64, 127), (127, 130)] {
                let first = start / block_rows;
                let part = Coded {
                    codes: &codes[format.bytes(start * columns)..format.bytes(end * columns)],
                    skipped_rows: start % block_rows,
                    scales: &bytes[4 * first * across..],
                    ..whole
                };
                let mut out = vec![f32::NAN; (end - start) * columns];
                decode(&part, &mut out);
                for (at, found) in out.iter().enumerate() {
                    let (row, column) = (start + at / columns, at % columns);
                    let i = row * columns + column;
                    let value = match format {
                        Format::E4m3 => E4M3[codes[i] as usize],
                        Format::E5m2 => E5M2[codes[i] as usize],
                        _ => E2M1[(codes[i / 2] >> (i % 2 * 4) & 15) as usize],
                    };
                    let scale = scales[row / block_rows * across + column / block_columns];
                    assert_eq!(*found, value * scale, "{format:?} row {row} column {column}");
                }
            }
        }
    }
}

#[test]
fn every_nan_has_the_same_bits() {
    let scales = [(-1.0f32).to_le_bytes(), f32::NAN.to_le_bytes()].concat();
    let coded = Coded {
        format: Format::E4m3,
        codes: &[0xff, 0x7f, 0x00, 0x38],
        columns: 4,
        block_rows: 1,
        block_columns: 2,
        skipped_rows: 0,
        scales: &scales,
        scale_dtype: ScaleDtype::Float(Dtype::F32),
        zeros: &[],
        skipped_zeros: 0,
    };
    let mut out = [0.0; 4];
    decode(&coded, &mut out);
    assert_eq!(out.map(f32::to_bits), [0x7fc0_0000; 4]);
    assert_eq!(coded.first_bad_scale(), Some(1));
    let finite = Coded { scales: &scales[..4], ..coded };
    assert_eq!(finite.first_bad_scale(), None);
    assert_eq!(Coded { scales: &[0; 4], ..coded }.first_bad_scale(), Some(0));
}

/// Rows of integers find their zero points, wherever the rows are cut.
#[test]
fn integers_are_counted_from_the_zero_point_of_their_row_and_group() {
    let (rows, columns, group): (usize, usize, usize) = (21, 64, 16);
    let across = columns / group;
    let codes: Vec<u8> = (0..rows * columns / 2).map(|i| (i * 37 % 256) as u8).collect();
    let scales: Vec<u8> = (0..rows * across).flat_map(|i| (0.5 + i as f32).to_le_bytes()).collect();
    let zero_of = |row: usize, block: usize| (row * 5 + block * 3) as u32 % 16;
    let zeros: Vec<u8> = (0..rows.div_ceil(8) * across)
        .flat_map(|i| {
            let (word, block) = (i / across, i % across);
            let bits = |row: usize| zero_of(8 * word + row, block) << (4 * row);
            (0..8).map(bits).fold(0, |all, bits| all | bits).to_le_bytes()
        })
        .collect();
    for with_zeros in [true, false] {
        for (start, end) in [(0, rows), (1, 2), (7, 17), (8, 9), (16, 21)] {
            let part = Coded {
                format: Format::U4,
                codes: &codes[start * columns / 2..end * columns / 2],
                columns,
                block_rows: 1,
                block_columns: group,
                skipped_rows: 0,
                scales: &scales[4 * start * across..4 * end * across],
                scale_dtype: ScaleDtype::Float(Dtype::F32),
                zeros: if with_zeros { &zeros[4 * (start / 8) * across..] } else { &[] },
                skipped_zeros: start % 8,
            };
            let mut out = vec![f32::NAN; (end - start) * columns];
            decode(&part, &mut out);
            for (at, found) in out.iter().enumerate() {
                let (row, column) = (start + at / columns, at % columns);
                let i = row * columns + column;
                let code = f32::from(codes[i / 2] >> (i % 2 * 4) & 15);
                let zero = if with_zeros { zero_of(row, column / group) as f32 } else { 8.0 };
                let scale = 0.5 + (row * across + column / group) as f32;
                assert_eq!(*found, (code - zero) * scale, "row {row} column {column}");
            }
        }
    }
}
