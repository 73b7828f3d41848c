//! The fields that a place of a pod template may have, asked from the types themselves: a reader that follows one path
//! and, where the path ends, notes what the type there expects.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use std::fmt;

/// The fields of the object that `path` leads to in a `PodTemplateSpec` (a step into a list is any number); empty where
/// it leads to none.
pub(super) fn fields(path: &[&str]) -> &'static [&'static str] {
    match PodTemplateSpec::deserialize(Walk { path }) {
        Err(Seen(fields)) => fields,
        Ok(_) => &[],
    }
}

/// The end of a walk: what was expected there.
#[derive(Debug)]
struct Seen(&'static [&'static str]);

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Seen {}

impl de::Error for Seen {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

struct Walk<'p> {
    path: &'p [&'p str],
}

/// The one step of a walk through a map or a list.
struct Step<'p> {
    left: Option<(&'p str, &'p [&'p str])>,
}

impl<'p> Walk<'p> {
    fn step(&self) -> Step<'p> {
        Step { left: self.path.split_first().map(|(step, rest)| (*step, rest)) }
    }
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Seen;

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Seen> {
        if self.path.is_empty() { Err(Seen(fields)) } else { visitor.visit_map(self.step()) }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        visitor.visit_map(self.step())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        visitor.visit_seq(self.step())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Seen> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        Err(Seen(&[]))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Step<'_> {
    type Error = Seen;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Seen> {
        let Some((step, _)) = self.left else { return Ok(None) };
        let key: StrDeserializer<'_, Seen> = step.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Seen> {
        let path = self.left.take().map_or(&[][..], |(_, rest)| rest);
        seed.deserialize(Walk { path })
    }
}

impl<'de> SeqAccess<'de> for Step<'_> {
    type Error = Seen;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Seen> {
        self.left.take().map(|(_, path)| seed.deserialize(Walk { path })).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn the_types_tell_their_fields() {
        assert_eq!(fields(&[]), ["metadata", "spec"]);
        assert!(fields(&["spec"]).contains(&"nodeSelector"));
        assert!(fields(&["spec", "containers", "3"]).contains(&"imagePullPolicy"));
        assert!(fields(&["spec", "containers", "0", "securityContext", "capabilities"]).contains(&"drop"));
        let projected = ["spec", "volumes", "0", "projected", "sources", "0", "serviceAccountToken"];
        assert!(fields(&projected).contains(&"audience"));
        for nothing in [
            &["spec", "nodeSelector"][..],
            &["spec", "imagee", "x"],
            &["spec", "containers", "0", "env", "0", "value"],
            &["spec", "containers"],
        ] {
            assert_eq!(fields(nothing), [""; 0], "{nothing:?}");
        }
    }
}
