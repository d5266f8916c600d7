//! Looks for floats that JSON has no form for, without writing anything.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

/// Says whether a NaN or an infinity is in a value.
pub(super) fn has_no_form<T: Serialize>(value: &T) -> bool {
    value.serialize(Search).is_err()
}

/// A serializer that fails at a float which is not finite.
struct Search;

/// One was found, or the value failed to be shown, which its writer has seen before.
#[derive(Debug)]
struct Found;

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a float that is not finite")
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Looked = Result<(), Found>;

/// Methods for values in which no float is.
macro_rules! plain {
    ($($method:ident($($value:ty),*);)*) => {
        $(fn $method(self, $(_: $value),*) -> Looked {
            Ok(())
        })*
    };
}

/// Methods that open something in which floats may be.
macro_rules! opened {
    ($($method:ident($($part:ty),*);)*) => {
        $(fn $method(self, $(_: $part),*) -> Result<Self, Found> {
            Ok(self)
        })*
    };
}

/// What was opened is looked through part by part.
macro_rules! parts {
    ($($compound:ident { $($method:ident($($name:ty)?);)+ })*) => {
        $(impl ser::$compound for Search {
            type Ok = ();
            type Error = Found;

            $(fn $method<T: Serialize + ?Sized>(&mut self, $(_: $name,)? part: &T) -> Looked {
                part.serialize(Search)
            })+

            fn end(self) -> Looked {
                Ok(())
            }
        })*
    };
}

impl Serializer for Search {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn serialize_f32(self, value: f32) -> Looked {
        value.is_finite().then_some(()).ok_or(Found)
    }

    fn serialize_f64(self, value: f64) -> Looked {
        value.is_finite().then_some(()).ok_or(Found)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Looked {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Looked {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Looked {
        value.serialize(self)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Looked {
        Ok(())
    }

    plain! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    opened! {
        serialize_seq(Option<usize>);
        serialize_tuple(usize);
        serialize_tuple_struct(&'static str, usize);
        serialize_tuple_variant(&'static str, u32, &'static str, usize);
        serialize_map(Option<usize>);
        serialize_struct(&'static str, usize);
        serialize_struct_variant(&'static str, u32, &'static str, usize);
    }
}

parts! {
    SerializeSeq { serialize_element(); }
    SerializeTuple { serialize_element(); }
    SerializeTupleStruct { serialize_field(); }
    SerializeTupleVariant { serialize_field(); }
    SerializeMap { serialize_key(); serialize_value(); }
    SerializeStruct { serialize_field(&'static str); }
    SerializeStructVariant { serialize_field(&'static str); }
}
