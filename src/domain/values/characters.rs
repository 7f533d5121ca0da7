//! Which characters people see.
//!
//! It knows characters alone; what they make of each other, such as a mark on a letter, it does not.

/// Whether this is a control character: one of Unicode's (Cc), or a separator of lines or paragraphs.
pub(super) fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Whether this character shows something: it is neither a control character, nor white space, nor invisible.
pub(super) fn is_visible(character: char) -> bool {
    !is_control(character) && !character.is_whitespace() && !is_invisible(character)
}

/// Unicode's property Default_Ignorable_Code_Point, and four more that have no ink.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
            // The blank of braille, annotations between lines, a note without a head, a filler.
            | '\u{2800}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d159}'
            | '\u{16fe4}'
    )
}
