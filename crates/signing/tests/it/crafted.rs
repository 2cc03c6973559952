//! Signatures and keys made to be refused, or of kinds that GnuPG no longer makes.
//!
//! Long because each forgery is made byte by byte beside the test that refuses it.

use crate::gnupg::Gpg;
use crate::secret::now;
use crate::vectors::{BOB, key, read};
use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    KeyFlags, PacketHeader, PacketTrait, Signature, SignatureConfig, SignatureType, Subpacket,
    SubpacketData,
};
use pgp::ser::Serialize;
use pgp::types::{Duration as Span, KeyDetails, Password, SigningKey, Tag, Timestamp};
use proptest::prelude::*;
use signing::armor::{self, Block};
use signing::{KeyError, KeySet, Policy, PublicKey, SecretKey, VerifyError};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const TEXT: &[u8] = b"text";
const MADE: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

/// Is a key with its packets at hand.
struct Maker {
    secret: SecretKey,
    parts: SignedSecretKey,
}

impl Maker {
    fn new() -> Self {
        let secret = SecretKey::generate("ann", MADE).unwrap();
        let (parts, _) = SignedSecretKey::from_string(&secret.armored()).unwrap();
        Self { secret, parts }
    }

    fn keys(&self) -> KeySet {
        [self.secret.public().clone()].into_iter().collect()
    }

    /// Gives what every signature by this key begins with.
    fn config(&self, kind: SignatureType, made: OffsetDateTime) -> SignatureConfig {
        let key = &self.parts.primary_key;
        let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha256);
        config.hashed_subpackets = vec![part(SubpacketData::SignatureCreationTime(stamp(made)))];
        config.unhashed_subpackets = vec![part(SubpacketData::IssuerKeyId(key.legacy_key_id()))];
        config
    }

    fn sign(&self, config: SignatureConfig) -> Vec<u8> {
        let signature = config.sign(&self.parts.primary_key, &Password::empty(), TEXT).unwrap();
        bytes(&signature)
    }

    /// Gives the public key after `change`.
    fn public(&self, change: impl FnOnce(&mut SignedPublicKey)) -> Result<PublicKey, KeyError> {
        let mut public = self.parts.to_public_key();
        change(&mut public);
        PublicKey::parse(&armor::to_block(Block::PublicKey, &public.to_bytes().unwrap()))
    }

    fn certify(&self, config: SignatureConfig) -> Signature {
        let key = &self.parts.primary_key;
        let user = &self.parts.details.users[0].id;
        let empty = Password::empty();
        config.sign_certification(key, key.public_key(), &empty, Tag::UserId, user).unwrap()
    }

    fn flags(&self, made: OffsetDateTime, flags: KeyFlags) -> SignatureConfig {
        let mut config = self.config(SignatureType::CertPositive, made);
        config.hashed_subpackets.push(part(SubpacketData::KeyFlags(flags)));
        config
    }
}

fn part(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).unwrap()
}

fn stamp(at: OffsetDateTime) -> Timestamp {
    Timestamp::from_secs(u32::try_from(at.unix_timestamp()).unwrap())
}

fn bytes(packet: &impl PacketTrait) -> Vec<u8> {
    let mut out = Vec::new();
    packet.to_writer_with_header(&mut out).unwrap();
    out
}

fn verify(keys: &KeySet, packets: &[u8]) -> Result<String, VerifyError> {
    let line = armor::to_line(packets);
    keys.verify(&line, TEXT, NOW, &Policy::default()).map(|verified| verified.fingerprint)
}

#[test]
fn signatures_of_version_3_count() {
    let ann = Maker::new();
    let key = &ann.parts.primary_key;
    let (kind, hash) = (SignatureType::Binary, HashAlgorithm::Sha256);
    let made = stamp(NOW);
    let config = SignatureConfig::v3(kind, key.algorithm(), hash, made, key.legacy_key_id());
    let mut hasher = hash.new_hasher().unwrap();
    hasher.update(TEXT);
    config.hash_signature_data(&mut hasher).unwrap();
    let digest = hasher.finalize();
    let number = key.sign(&Password::empty(), hash, &digest).unwrap();
    let packet = Signature::from_config(config, [digest[0], digest[1]], number).unwrap();
    let verified =
        ann.keys().verify(&armor::to_line(&bytes(&packet)), TEXT, NOW, &Policy::default());
    assert_eq!(verified.unwrap().signed_at, NOW);
    let other = ann.keys().verify(&armor::to_line(&bytes(&packet)), b"", NOW, &Policy::default());
    assert_eq!(other, Err(VerifyError::OtherText));
}

#[test]
fn only_the_first_packet_with_a_known_signer_is_judged() {
    let (ann, eve) = (Maker::new(), Maker::new());
    let good = ann.sign(ann.config(SignatureType::Binary, NOW));
    let bad = ann.sign(ann.config(SignatureType::Binary, NOW + Duration::days(1)));
    let strange = eve.sign(eve.config(SignatureType::Binary, NOW));
    let fingerprint = ann.secret.public().fingerprint();
    assert_eq!(verify(&ann.keys(), &[&strange[..], &good].concat()), Ok(fingerprint.clone()));
    assert_eq!(verify(&ann.keys(), &[&good[..], b"rest"].concat()), Ok(fingerprint));
    assert!(matches!(
        verify(&ann.keys(), &[&bad[..], &good].concat()),
        Err(VerifyError::FromTheFuture { .. })
    ));
    let issuers = vec![hex::encode_upper(eve.parts.primary_key.legacy_key_id())];
    assert_eq!(verify(&ann.keys(), &strange), Err(VerifyError::UnknownSigner { issuers }));
    let user = bytes(&ann.parts.details.users[0].id);
    for packets in [&[&user[..], &good].concat()[..], b"", b"hello", &good[..20]] {
        assert!(matches!(verify(&ann.keys(), packets), Err(VerifyError::Malformed(_))));
    }
}

#[test]
fn signatures_say_who_made_them_and_when() {
    let ann = Maker::new();
    let mut config = ann.config(SignatureType::Binary, NOW);
    config.unhashed_subpackets.clear();
    let nameless = verify(&ann.keys(), &ann.sign(config.clone()));
    assert_eq!(nameless, Err(VerifyError::UnknownSigner { issuers: vec![] }));
    let print = ann.parts.primary_key.fingerprint();
    config.hashed_subpackets.push(part(SubpacketData::IssuerFingerprint(print)));
    assert!(verify(&ann.keys(), &ann.sign(config)).is_ok(), "the fingerprint is enough");

    let eve = Maker::new().parts.primary_key.fingerprint();
    let mut config = ann.config(SignatureType::Binary, NOW);
    config.hashed_subpackets.push(part(SubpacketData::IssuerFingerprint(eve)));
    let answer = verify(&ann.keys(), &ann.sign(config));
    assert!(matches!(answer, Err(VerifyError::UnknownSigner { .. })), "{answer:?}");

    let mut config = ann.config(SignatureType::Binary, NOW);
    let date = config.hashed_subpackets.remove(0);
    config.unhashed_subpackets.push(date);
    assert_eq!(verify(&ann.keys(), &ann.sign(config)), Err(VerifyError::Undated));

    let early = ann.sign(ann.config(SignatureType::Binary, MADE - Duration::days(1)));
    assert_eq!(verify(&ann.keys(), &early), Err(VerifyError::OlderThanKey { made: MADE }));
}

#[test]
fn signatures_with_conditions_do_not_count() {
    let ann = Maker::new();
    let mut config = ann.config(SignatureType::Binary, NOW - Duration::hours(1));
    config
        .hashed_subpackets
        .push(part(SubpacketData::SignatureExpirationTime(Span::from_secs(60))));
    let at = NOW - Duration::minutes(59);
    let over = verify(&ann.keys(), &ann.sign(config));
    assert_eq!(over, Err(VerifyError::SignatureExpired { at }));

    for (id, critical) in [(99, true), (99, false), (105, true), (105, false)] {
        let data = match id {
            105 => SubpacketData::Experimental(id, vec![1].into()),
            _ => SubpacketData::Other(id, vec![1].into()),
        };
        let mut config = ann.config(SignatureType::Binary, NOW);
        let mut strange = part(data);
        config.hashed_subpackets.push(strange.clone());
        let good = ann.sign(config.clone());
        assert!(verify(&ann.keys(), &good).is_ok());
        if critical {
            // the library does not sign this: set the bit afterwards; it is seen before the arithmetic
            strange.is_critical = true;
            let mut marked = good.clone();
            let at = marked.windows(2).position(|pair| pair == [2, id]).unwrap();
            marked[at + 1] |= 0x80;
            assert_eq!(verify(&ann.keys(), &marked), Err(VerifyError::Critical));
        }
    }

    let certification = bytes(&ann.parts.details.users[0].signatures[0]);
    assert_eq!(verify(&ann.keys(), &certification), Err(VerifyError::NotOverData));
}

#[test]
fn a_key_signs_only_if_it_says_so() {
    let ann = Maker::new();
    let packets = ann.sign(ann.config(SignatureType::Binary, NOW));
    let fingerprint = ann.secret.public().fingerprint();
    let with = |signatures: Vec<Signature>| {
        ann.public(|key| key.details.users[0].signatures = signatures)
            .map(|key| verify(&[key].into_iter().collect(), &packets))
    };
    let mut certify = KeyFlags::default();
    certify.set_certify(true);
    let old = ann.certify(ann.config(SignatureType::CertGeneric, MADE));
    let only = ann.certify(ann.flags(MADE + Duration::days(1), certify.clone()));
    let not_yet = ann.certify(ann.flags(NOW + Duration::days(1), certify));
    let gone = ann.certify(ann.config(SignatureType::CertRevocation, MADE + Duration::days(2)));
    let refused = Err(VerifyError::NotForSigning { key: fingerprint.clone() });
    let unbound = Err(VerifyError::Unbound { key: fingerprint.clone() });
    assert_eq!(with(vec![old.clone()]), Ok(Ok(fingerprint.clone())), "without flags it may");
    assert_eq!(with(vec![old.clone(), only.clone()]), Ok(refused.clone()), "the newest counts");
    assert_eq!(with(vec![only, old.clone()]), Ok(refused));
    assert_eq!(with(vec![not_yet.clone(), old.clone()]), Ok(Ok(fingerprint.clone())));
    assert_eq!(with(vec![not_yet]), Ok(unbound.clone()), "what is said from tomorrow on");
    assert_eq!(with(vec![old, gone.clone()]), Ok(unbound), "the user id is revoked");
    assert_eq!(with(vec![gone]), Err(KeyError::Unbound));
    assert_eq!(with(vec![]), Err(KeyError::Unbound));
    let eve = Maker::new();
    let foreign = eve.certify(eve.config(SignatureType::CertPositive, MADE));
    assert_eq!(with(vec![foreign]), Err(KeyError::Unbound), "what others say does not count");
}

#[test]
fn a_key_without_user_id_speaks_for_itself() {
    let ann = Maker::new();
    let key = &ann.parts.primary_key;
    let mut config = ann.config(SignatureType::Key, MADE);
    let day = Span::from_secs(86_400);
    config.hashed_subpackets.push(part(SubpacketData::KeyExpirationTime(day)));
    let direct = config.sign_key(key, &Password::empty(), key.public_key()).unwrap();
    let bare = ann
        .public(|key| {
            key.details.users.clear();
            key.details.direct_signatures.push(direct.clone());
        })
        .unwrap();
    let signed = ann.sign(ann.config(SignatureType::Binary, MADE + Duration::hours(1)));
    let line = armor::to_line(&signed);
    let keys: KeySet = [bare].into_iter().collect();
    let verify = |keys: &KeySet, at| keys.verify(&line, TEXT, at, &Policy::default());
    assert!(verify(&keys, MADE + Duration::hours(2)).is_ok());
    let end = Err(VerifyError::KeyExpired {
        key: ann.secret.public().fingerprint(),
        at: MADE + Duration::days(1),
    });
    assert_eq!(verify(&keys, NOW), end);
    let mut long = ann.config(SignatureType::CertPositive, MADE + Duration::days(1));
    let years = SubpacketData::KeyExpirationTime(Span::from_secs(1_000 * 86_400));
    long.hashed_subpackets.push(part(years));
    let both = ann
        .public(|key| {
            key.details.users[0].signatures = vec![ann.certify(long)];
            key.details.direct_signatures.push(direct);
        })
        .unwrap();
    assert_eq!(verify(&[both].into_iter().collect(), NOW), end, "it comes before the user id");
}

#[test]
fn a_revocation_counts_wherever_it_stands() {
    let ann = Maker::new();
    let signed = ann.sign(ann.config(SignatureType::Binary, NOW));
    let revoke = |by: &Maker| {
        let config = by.config(SignatureType::KeyRevocation, MADE);
        let victim = ann.parts.primary_key.public_key();
        let revocation =
            config.sign_key(&by.parts.primary_key, &Password::empty(), victim).unwrap();
        let (_, mut packets) = armor::from_block(&ann.secret.public().armored()).unwrap();
        packets.extend(bytes(&revocation));
        let key = PublicKey::parse(&armor::to_block(Block::PublicKey, &packets)).unwrap();
        verify(&[key].into_iter().collect(), &signed)
    };
    let key = ann.secret.public().fingerprint();
    assert_eq!(revoke(&ann), Err(VerifyError::KeyRevoked { key: key.clone() }));
    assert_eq!(revoke(&Maker::new()), Ok(key), "nobody revokes another's key");
}

#[test]
fn nobody_takes_another_s_subkey_for_his_own() {
    let (armored, eve) = (read("bob.asc"), Maker::new());
    let (bob, _) = SignedPublicKey::from_string(&armored).unwrap();
    let subkey = &bob.public_subkeys[0];
    let bind = |embedded: Option<Signature>| {
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let mut config = eve.config(SignatureType::SubkeyBinding, MADE);
        config.hashed_subpackets.push(part(SubpacketData::KeyFlags(flags)));
        let embedded = embedded.map(|s| part(SubpacketData::EmbeddedSignature(Box::new(s))));
        config.hashed_subpackets.extend(embedded);
        let key = &eve.parts.primary_key;
        let empty = Password::empty();
        let binding =
            config.sign_subkey_binding(key, key.public_key(), &empty, &subkey.key).unwrap();
        let stolen = SignedPublicSubKey::new(subkey.key.clone(), vec![binding]);
        eve.public(|key| key.public_subkeys.push(stolen)).unwrap()
    };
    let back = subkey.signatures[0].embedded_signature().unwrap().clone();
    for thief in [bind(None), bind(Some(back))] {
        assert_eq!(thief.key_ids().len(), 1, "the subkey has not agreed to this key");
        let header = read("tokens.tsv");
        let header = header.lines().find(|line| line.starts_with("041")).unwrap();
        let [_, now, _, header] = header.split('\t').collect::<Vec<_>>()[..] else { panic!() };
        let now = OffsetDateTime::from_unix_timestamp(now.parse().unwrap()).unwrap();
        let keys: KeySet = [thief, key("bob.asc")].into_iter().collect();
        let token = signing::Token::parse(header).unwrap();
        let minute = Duration::minutes(1);
        let verified = token.verify(&keys, now, minute, &Policy::default()).unwrap();
        assert_eq!(verified.fingerprint, BOB);
    }
}

#[test]
fn a_subkey_agrees_over_a_good_hash() {
    let gpg = Gpg::new();
    let primary = gpg.make("ann", "rsa2048", "cert", "never");
    gpg.run(&["--passphrase", "", "--quick-add-key", &primary, "rsa2048", "sign"], b"");
    let armored = gpg.text(&["--armor", "--export-secret-keys", "ann"], b"");
    let (key, _) = SignedSecretKey::from_string(&armored).unwrap();
    let (owner, subkey) = (&key.primary_key, &key.secret_subkeys[0].key);
    let date = part(SubpacketData::SignatureCreationTime(stamp(now())));
    let empty = Password::empty();
    let bind = |hash| {
        let mut back = SignatureConfig::v4(SignatureType::KeyBinding, subkey.algorithm(), hash);
        back.hashed_subpackets = vec![date.clone()];
        let back =
            back.sign_primary_key_binding(subkey, subkey.public_key(), &empty, owner.public_key());
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let (kind, hash) = (SignatureType::SubkeyBinding, HashAlgorithm::Sha256);
        let mut binding = SignatureConfig::v4(kind, owner.algorithm(), hash);
        binding.hashed_subpackets = vec![
            date.clone(),
            part(SubpacketData::KeyFlags(flags)),
            part(SubpacketData::EmbeddedSignature(Box::new(back.unwrap()))),
        ];
        let (signer, signee) = (owner.public_key(), subkey.public_key());
        let binding = binding.sign_subkey_binding(owner, signer, &empty, signee).unwrap();
        let mut public = key.to_public_key();
        public.public_subkeys[0].signatures = vec![binding];
        let block = armor::to_block(Block::PublicKey, &public.to_bytes().unwrap());
        let keys: KeySet = [PublicKey::parse(&block).unwrap()].into_iter().collect();
        keys
    };
    let line = gpg.sign("ann", &[], TEXT);
    let verify = |hash, policy| {
        let verified = bind(hash).verify(&line, TEXT, now(), &policy);
        verified.map(|verified| verified.fingerprint)
    };
    assert_eq!(verify(HashAlgorithm::Sha256, Policy::default()), Ok(primary.clone()));
    let refused = verify(HashAlgorithm::Sha1, Policy::default());
    assert!(matches!(refused, Err(VerifyError::WeakBinding { .. })), "{refused:?}");
    let lenient = Policy { allow_sha1: true, ..Policy::default() };
    assert_eq!(verify(HashAlgorithm::Sha1, lenient), Ok(primary));
}

#[test]
fn exactly_one_key_is_read() {
    let blocks = [read("bob.asc"), read("carl.asc")];
    assert_eq!(
        PublicKey::parse(&blocks.concat()).unwrap_err(),
        KeyError::Armor(armor::ArmorError::SeveralBlocks)
    );
    let packets = blocks.map(|block| armor::from_block(&block).unwrap().1).concat();
    let parse = |packets: &[u8]| PublicKey::parse(&armor::to_block(Block::PublicKey, packets));
    assert_eq!(parse(&packets).unwrap_err(), KeyError::NotOne(2));
    assert_eq!(parse(b"").unwrap_err(), KeyError::NotOne(0));
    let ann = Maker::new();
    let secret = armor::from_block(&ann.secret.armored()).unwrap().1;
    assert_eq!(parse(&secret).unwrap_err(), KeyError::NotOne(0), "a secret key with a false label");
    let long = read("bob.asc") + &" ".repeat(armor::MAX_BLOCK);
    let limit = armor::MAX_BLOCK;
    assert_eq!(
        PublicKey::parse(&long).unwrap_err(),
        KeyError::Armor(armor::ArmorError::TooLong { limit })
    );
}

/// Changes some bytes of `packets`.
fn spoil(packets: &[u8], changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut packets = packets.to_vec();
    for (at, byte) in changes {
        let at = at.index(packets.len());
        packets[at] = *byte;
    }
    packets
}

fn header(tag: Tag, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    PacketHeader::new_fixed(tag, u32::try_from(length).unwrap()).to_writer(&mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn no_packets_make_the_readers_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        version in 2u8..7,
    ) {
        let keys: KeySet = [key("carl.asc")].into_iter().collect();
        let body = [&[version][..], &body].concat();
        for tag in [Tag::Signature, Tag::PublicKey, Tag::PublicSubkey, Tag::SecretKey, Tag::UserId] {
            let packets = [header(tag, body.len()), body.clone()].concat();
            for packets in [&packets[..], &body] {
                let _ = verify(&keys, packets);
                let _ = PublicKey::parse(&armor::to_block(Block::PublicKey, packets));
                let _ = SecretKey::parse(&armor::to_block(Block::PrivateKey, packets), None);
            }
        }
    }

    #[test]
    fn spoiled_keys_and_signatures_do_not_make_them_panic(
        changes in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4),
    ) {
        let ann = Maker::new();
        let signature = ann.sign(ann.config(SignatureType::Binary, NOW));
        let spoiled = spoil(&signature, &changes);
        let answer = verify(&ann.keys(), &spoiled);
        prop_assert!(answer.is_err() || answer == Ok(ann.secret.public().fingerprint()));
        for name in ["bob.asc", "carl.asc"] {
            let (_, packets) = armor::from_block(&read(name)).unwrap();
            let _ = PublicKey::parse(&armor::to_block(Block::PublicKey, &spoil(&packets, &changes)));
        }
        let (_, packets) = armor::from_block(&ann.secret.armored()).unwrap();
        let spoiled = armor::to_block(Block::PrivateKey, &spoil(&packets, &changes));
        let _ = SecretKey::parse(&spoiled, Some("word"));
    }
}
